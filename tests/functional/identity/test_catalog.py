"""Regions, services, endpoints, and the version documents."""

from __future__ import annotations

from typing import Any

import pytest

from api.identity.routes import APIS
from api.policy import Rule
from tests.fixtures.api import ApiClient

V3 = "/identity/v3"


def post(client: ApiClient, noun: str, expect: int = 201, **fields: Any) -> dict[str, Any]:
    reply = client.post(f"{V3}/{noun}s", "admin", json={noun: fields})
    assert reply.status_code == expect, reply.text
    shown: dict[str, Any] = reply.json.get(noun, reply.json)
    return shown


def patch(client: ApiClient, noun: str, row_id: str, expect: int = 200, **fields: Any) -> dict[str, Any]:
    reply = client.patch(f"{V3}/{noun}s/{row_id}", "admin", json={noun: fields})
    assert reply.status_code == expect, reply.text
    shown: dict[str, Any] = reply.json.get(noun, reply.json)
    return shown


def test_regions(api_client: ApiClient, database_url: str) -> None:
    region = post(api_client, "region", id="north", description="cold", parent_region_id="RegionOne")
    assert region == {
        "id": "north",
        "description": "cold",
        "parent_region_id": "RegionOne",
        "links": {"self": f"http://localhost{V3}/regions/north"},
    }
    assert len(post(api_client, "region")["id"]) == 32
    post(api_client, "region", expect=409, id="north")
    post(api_client, "region", expect=404, id="south", parent_region_id="nope")
    assert api_client.put(f"{V3}/regions/south", "admin", json={"region": {}}).json["region"]["id"] == "south"
    assert api_client.put(f"{V3}/regions/east", "admin", json={"region": {"id": "west"}}).status_code == 400
    patch(api_client, "region", "RegionOne", expect=400, parent_region_id="north")  # it would lie below itself
    assert patch(api_client, "region", "north", description="warm")["description"] == "warm"
    listed = api_client.get(f"{V3}/regions?parent_region_id=RegionOne", "demo").json["regions"]
    assert [row["id"] for row in listed] == ["north"]
    assert api_client.get(f"{V3}/regions/nope", "demo").status_code == 404
    assert api_client.delete(f"{V3}/regions/RegionOne", "admin").status_code == 403
    assert api_client.delete(f"{V3}/regions/north", "admin").status_code == 204


def test_services_and_endpoints(api_client: ApiClient, database_url: str) -> None:
    service = post(api_client, "service", type="testing", name="t")
    assert service == {
        "id": service["id"],
        "type": "testing",
        "name": "t",
        "description": "",
        "enabled": True,
        "links": {"self": f"http://localhost{V3}/services/{service['id']}"},
    }
    given = {"service_id": service["id"], "interface": "public", "url": "http://localhost/t", "region": "RegionOne"}
    endpoint = post(api_client, "endpoint", **given)
    assert endpoint == {
        **given,
        "id": endpoint["id"],
        "region_id": "RegionOne",
        "enabled": True,
        "links": {"self": f"http://localhost{V3}/endpoints/{endpoint['id']}"},
    }
    for wrong in (
        {"service_id": "nope"},
        {"region_id": "nope"},
        {"interface": "other"},
        {"url": "/relative"},
        {"url": "http://localhost/$(password)s"},
        {"url": "http://localhost/$(project_id)d"},
        {"url": "http://x/\n"},
        {"url": "http://" + "x" * 2048},
        {"enabled": "no"},
        {"unknown": 1},
    ):
        post(api_client, "endpoint", expect=400, **{**given, **wrong})
    patch(api_client, "endpoint", endpoint["id"], expect=400, service_id="nope")
    assert patch(api_client, "endpoint", endpoint["id"], url="http://localhost/u")["url"] == "http://localhost/u"
    listed = api_client.get(f"{V3}/endpoints?service_id={service['id']}&interface=public", "admin").json["endpoints"]
    assert [row["id"] for row in listed] == [endpoint["id"]]
    assert patch(api_client, "service", service["id"], name="u")["name"] == "u"
    assert [row["name"] for row in api_client.get(f"{V3}/services?type=testing", "admin").json["services"]] == ["u"]
    assert api_client.delete(f"{V3}/services/{service['id']}", "admin").status_code == 204
    assert api_client.get(f"{V3}/endpoints/{endpoint['id']}", "admin").status_code == 404
    assert api_client.delete(f"{V3}/endpoints/{endpoint['id']}", "admin").status_code == 404


@pytest.mark.parametrize("slash", ["", "/"])
def test_version_documents(api_client: ApiClient, slash: str) -> None:
    several = api_client.get("/identity" + slash, None)
    assert several.status_code == 300
    (version,) = several.json["versions"]["values"]
    one = api_client.get(V3 + slash, None)
    assert (one.status_code, one.json) == (200, {"version": version})
    assert (version["id"], version["status"]) == ("v3.14", "stable")
    assert version["links"] == [{"rel": "self", "href": "http://localhost/identity/v3/"}]
    root = api_client.get("/", None)
    assert root.status_code == 200
    assert {service["type"] for service in root.json["services"]} >= {"identity", "compute", "image", "network"}


def test_unknown_paths_and_methods_answer_in_keystones_form(api_client: ApiClient) -> None:
    for method, path, status in (("GET", "/nope", 404), ("PUT", "/users", 405), ("DELETE", "", 405)):
        reply = api_client.request(method, V3 + path, "admin")
        assert reply.status_code == status
        assert reply.json["error"]["code"] == status


def test_without_a_token_nothing_is_told(api_client: ApiClient) -> None:
    for route in APIS[0].routes:
        if route.rule == Rule.PUBLIC:
            continue
        path = V3 + route.path.replace("<", "").replace(">", "")
        reply = api_client.request(route.method, path, None, json={"unread": True})
        assert reply.status_code == 401, route
        assert (
            route.method == "HEAD"
            or reply.json["error"]["message"] == "The request you have made requires authentication."
        )
        if route.rule in (Rule.CLOUD_ADMIN, Rule.CLOUD_READER, Rule.DOMAIN_MANAGER, Rule.DOMAIN_READER):
            assert api_client.request(route.method, path, "manager", json={}).status_code == 403, route
