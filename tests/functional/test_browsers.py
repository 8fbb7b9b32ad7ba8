"""What browsers and slow lines need: CORS for the origins that the operator named, gzip for large answers."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace

import pytest

from api import cors
from api.app import create_app
from api.compression import LEAST_BYTES
from api.request import Services
from common.errors import ConfigError
from tests.fixtures.api import ApiClient

PAGE = "https://dashboard.example.com:8443"
OTHER = "https://elsewhere.example.com"
NETWORKS = "/network/v2.0/networks"
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-auth-token,content-type"}


def _client(services: Services, origins: str) -> ApiClient:
    config = replace(services.config, api=replace(services.config.api, cors_allowed_origins=origins))
    changed = replace(services, config=config)
    return ApiClient(changed, create_app(changed))


def test_cors_is_off_unless_configured(api_client: ApiClient) -> None:
    for method in ("OPTIONS", "GET"):
        reply = api_client.request(method, NETWORKS, headers={"Origin": PAGE, **PREFLIGHT})
        assert [name for name, _ in reply.headers if name.startswith("Access-Control")] == []
        assert "Origin" not in reply.headers.getlist("Vary")


def test_a_preflight_is_answered_without_a_token(services: Services) -> None:
    reply = _client(services, f"{PAGE}, http://localhost:3000").request(
        "OPTIONS", "/compute/v2.1/servers", None, headers={"Origin": PAGE, **PREFLIGHT}
    )
    assert reply.status_code == 200
    assert reply.headers["Access-Control-Allow-Origin"] == PAGE
    assert "POST" in reply.headers["Access-Control-Allow-Methods"].split(", ")
    allowed = {name.lower() for name in reply.headers["Access-Control-Allow-Headers"].split(", ")}
    assert {"x-auth-token", "content-type", "openstack-api-version", "x-subject-token"} <= allowed
    assert int(reply.headers["Access-Control-Max-Age"]) > 0
    assert "Access-Control-Allow-Credentials" not in reply.headers
    assert "Origin" in reply.headers.getlist("Vary")


def test_a_page_may_read_answers_errors_and_the_headers_it_needs(services: Services) -> None:
    client = _client(services, PAGE)
    for path, status in ((NETWORKS, 200), (f"{NETWORKS}/nothing", 404), ("/nowhere", 404)):
        reply = client.get(path, headers={"Origin": PAGE})
        assert reply.status_code == status
        assert reply.headers["Access-Control-Allow-Origin"] == PAGE
        exposed = reply.headers["Access-Control-Expose-Headers"].split(", ")
        assert {"X-Subject-Token", "X-OpenStack-Request-Id", "Location", "Retry-After"} <= set(exposed)


@pytest.mark.parametrize("origin", [OTHER, f"{PAGE}.evil.example", "null", "http://dashboard.example.com:8443"])
def test_other_pages_may_not(services: Services, origin: str) -> None:
    client = _client(services, PAGE)
    for method in ("OPTIONS", "GET"):
        reply = client.request(method, NETWORKS, headers={"Origin": origin, **PREFLIGHT})
        assert [name for name, _ in reply.headers if name.startswith("Access-Control")] == []
        assert "Origin" in reply.headers.getlist("Vary")


def test_any_page_may_where_the_operator_says_so(services: Services) -> None:
    reply = _client(services, "*").get(NETWORKS, headers={"Origin": OTHER})
    assert reply.headers["Access-Control-Allow-Origin"] == "*"
    assert "Origin" not in reply.headers.getlist("Vary")


@pytest.mark.parametrize("setting", ["dashboard.example.com", f"{PAGE}/", f"{PAGE}/path", "https://*.example.com x"])
def test_what_is_no_origin_is_refused_at_the_start(setting: str) -> None:
    with pytest.raises(ConfigError, match="is no origin"):
        cors.allowed_origins(setting)


@pytest.fixture
def many_flavors(api_client: ApiClient) -> str:
    """The path of an answer of more than LEAST_BYTES."""
    for number in range(40):
        flavor = {"name": f"flavor{number}", "id": f"f{number}", "ram": 64, "vcpus": 1, "disk": 1}
        assert api_client.post("/compute/v2.1/flavors", as_="admin", json={"flavor": flavor}).status_code == 200
    return "/compute/v2.1/flavors/detail"


def test_large_answers_are_compressed_for_those_who_ask(api_client: ApiClient, many_flavors: str) -> None:
    plain = api_client.get(many_flavors)
    packed = api_client.get(many_flavors, headers={"Accept-Encoding": "gzip, deflate"})
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert all("Accept-Encoding" in reply.headers.getlist("Vary") for reply in (plain, packed))
    assert int(packed.headers["Content-Length"]) == len(packed.data) < len(plain.data) / 3
    assert json.loads(gzip.decompress(packed.data)) == plain.json
    head = api_client.head(many_flavors, headers={"Accept-Encoding": "gzip"})
    assert (head.data, head.headers["Content-Length"]) == (b"", packed.headers["Content-Length"])


@pytest.mark.parametrize("accepted", ["identity", "br", "gzip;q=0", "gzip;q=0.1, identity;q=0.9", ""])
def test_nobody_gets_gzip_who_prefers_none(api_client: ApiClient, many_flavors: str, accepted: str) -> None:
    reply = api_client.get(many_flavors, headers={"Accept-Encoding": accepted})
    assert "Content-Encoding" not in reply.headers
    assert len(reply.json["flavors"]) >= 40


def test_small_answers_and_image_data_stay_as_they_are(api_client: ApiClient) -> None:
    asking = {"Accept-Encoding": "gzip"}
    made = api_client.post("/image/v2/images", json={"name": "i", "disk_format": "raw", "container_format": "bare"})
    path, data = f"/image/v2/images/{made.json['id']}", b"0" * (4 * LEAST_BYTES)
    assert api_client.put(f"{path}/file", data=data, content_type="application/octet-stream").status_code == 204
    for reply in (api_client.get(path, headers=asking), api_client.get(f"{path}/file", headers=asking)):
        assert reply.status_code == 200
        assert "Content-Encoding" not in reply.headers
    assert api_client.get(f"{path}/file", headers=asking).data == data
