"""How clients find out what there is: version documents at every level, microversions, methods, request ids."""

from __future__ import annotations

from typing import Any

import pytest

from api.compute.views.versions import HIGHEST as NEWEST
from common.ids import is_request_id
from tests.fixtures.api import BASE_URL, ApiClient

FLAVORS = "/compute/v2.1/flavors"
STANDARD, LEGACY = "OpenStack-API-Version", "X-OpenStack-Nova-API-Version"


def _ids(document: Any) -> set[str]:
    found = document.get("version") or document["versions"]
    found = found.get("values", found) if isinstance(found, dict) else found
    return {each["id"] for each in (found if isinstance(found, list) else [found])}


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize(
    ("path", "status", "version", "link"),
    [
        ("/identity", 300, "v3.14", "/identity/v3/"),
        ("/identity/v3", 200, "v3.14", "/identity/v3/"),
        ("/compute", 200, "v2.1", "/compute/v2.1/"),
        ("/compute/v2.1", 200, "v2.1", "/compute/v2.1/"),
        ("/compute/v2", 200, "v2.0", "/compute/v2/"),
        ("/image", 300, "v2.16", "/image/v2/"),
        ("/image/v2", 300, "v2.16", "/image/v2/"),
        ("/image/versions", 200, "v2.16", "/image/v2/"),
        ("/network", 200, "v2.0", "/network/v2.0/"),
        ("/placement", 200, "v1.0", "/placement/"),
        ("/volume", 300, "v3.0", "/volume/v3/"),
        ("/volume/v3", 200, "v3.0", "/volume/v3/"),
        ("/cumulet", 200, "v1.0", "/cumulet/v1/"),
        ("/cumulet/v1", 200, "v1.0", "/cumulet/v1/"),
    ],
)
def test_versions_are_told_to_anyone_at_every_level(
    api_client: ApiClient, path: str, slash: str, status: int, version: str, link: str
) -> None:
    reply = api_client.get(path + slash, as_=None)
    assert reply.status_code == status
    assert version in _ids(reply.json)
    assert f'"{BASE_URL}{link}"' in reply.text


def test_the_old_compute_api_has_no_microversions(api_client: ApiClient) -> None:
    assert [each["id"] for each in api_client.get("/compute", as_=None).json["versions"]] == ["v2.0", "v2.1"]
    flavor = {"flavor": {"id": "f", "name": "f", "ram": 1, "vcpus": 1, "disk": 0}}
    asked = {"headers": {STANDARD: f"compute {NEWEST}"}}
    made = api_client.post("/compute/v2/flavors", "admin", json=flavor, **asked).json["flavor"]
    assert made["links"][0]["href"] == f"{BASE_URL}/compute/v2/flavors/f"
    assert "description" not in made
    assert "description" in api_client.get(f"{FLAVORS}/f", **asked).json["flavor"]
    assert api_client.get("/compute/v2/servers", as_=None).status_code == 401
    assert api_client.get("/compute/v2/os-nothing").json["itemNotFound"]["code"] == 404


@pytest.mark.parametrize("slash", ["", "/"])
def test_the_resources_of_the_network_api_are_told_to_users(api_client: ApiClient, slash: str) -> None:
    assert api_client.get(f"/network/v2.0{slash}", as_=None).status_code == 401
    assert "networks" in api_client.get(f"/network/v2.0{slash}").text


def test_every_endpoint_of_the_catalogue_answers_whoever_discovers(api_client: ApiClient) -> None:
    """A project's id at an endpoint's end is left out, as keystoneauth does."""
    catalog = api_client.get("/identity/v3/auth/catalog").json["catalog"]
    token = {"X-Subject-Token": api_client.token("demo")}
    project_id = api_client.get("/identity/v3/auth/tokens", headers=token).json["token"]["project"]["id"]
    urls = {endpoint["url"].removesuffix(f"/{project_id}") for service in catalog for endpoint in service["endpoints"]}
    for url in urls:
        assert api_client.get(url.removeprefix(BASE_URL), as_=None).status_code in (200, 300), url


@pytest.mark.parametrize("header", [STANDARD, LEGACY])
@pytest.mark.parametrize(("asked", "answered"), [("2.53", "2.53"), ("latest", NEWEST), (None, "2.1")])
def test_both_microversion_headers_are_understood_and_answered(
    api_client: ApiClient, header: str, asked: str | None, answered: str
) -> None:
    value = f"compute {asked}" if header == STANDARD else asked
    reply = api_client.get(FLAVORS, headers={header: value} if asked and value else {})
    assert reply.status_code == 200
    assert reply.headers[STANDARD] == f"compute {answered}"
    assert reply.headers[LEGACY] == answered
    assert {STANDARD, LEGACY} <= set(reply.headers.getlist("Vary"))


@pytest.mark.parametrize("header", [STANDARD, LEGACY])
@pytest.mark.parametrize("asked", ["2.0", "2.999", "3.0"])
def test_a_version_out_of_range_is_406_and_names_the_range(api_client: ApiClient, header: str, asked: str) -> None:
    reply = api_client.get(FLAVORS, headers={header: f"compute {asked}" if header == STANDARD else asked})
    assert reply.status_code == 406
    message = f"Version {asked} is not supported by the API. Minimum is 2.1 and maximum is {NEWEST}."
    assert reply.json == {"computeFault": {"code": 406, "message": message}}


def test_a_version_of_another_service_is_no_concern_of_compute(api_client: ApiClient) -> None:
    reply = api_client.get(FLAVORS, headers={STANDARD: "volume 3.70"})
    assert (reply.status_code, reply.headers[STANDARD]) == (200, "compute 2.1")


@pytest.mark.parametrize("path", [FLAVORS, "/network/v2.0/networks", "/image/v2/images", "/identity/v3/auth/projects"])
def test_head_answers_as_get_without_a_body(api_client: ApiClient, path: str) -> None:
    got, head = api_client.get(path), api_client.head(path)
    assert head.status_code == got.status_code == 200
    assert head.data == b""
    assert head.headers["Content-Length"] == got.headers["Content-Length"]


@pytest.mark.parametrize("as_", [None, "demo"])
def test_options_names_the_methods_of_a_path(api_client: ApiClient, as_: str | None) -> None:
    reply = api_client.request("OPTIONS", "/compute/v2.1/servers/anything", as_)
    assert (reply.status_code, reply.data) == (200, b"")
    assert reply.headers["Allow"] == "DELETE, GET, HEAD, OPTIONS, PUT"
    assert "Access-Control-Allow-Origin" not in reply.headers


def test_what_is_nowhere_is_404_in_the_form_of_the_api_with_a_request_id(api_client: ApiClient) -> None:
    compute, nowhere = api_client.get("/compute/v2.1/os-nothing"), api_client.get("/nothing")
    message = "The resource could not be found."
    assert compute.json == {"itemNotFound": {"code": 404, "message": message}}
    assert nowhere.json == {"error": {"code": 404, "message": message}}
    for reply in (compute, nowhere):
        assert reply.status_code == 404
        assert is_request_id(reply.headers["X-OpenStack-Request-Id"])
    assert compute.headers["X-Compute-Request-Id"] == compute.headers["X-OpenStack-Request-Id"]


def test_a_refused_body_says_when_to_come_back(api_client: ApiClient) -> None:
    reply = api_client.post("/compute/v2.1/servers", data=b"x" * (1024 * 1024 + 1), content_type="application/json")
    assert reply.status_code == 413
    assert int(reply.headers["Retry-After"]) >= 0
    assert reply.json["overLimit"]["code"] == 413
