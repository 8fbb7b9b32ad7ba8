"""Pages, sorting, fields, version documents, extensions and quotas of the network API."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from tests.functional.network.conftest import ROOT, NetworkClient


def _names(net: NetworkClient, path: str) -> tuple[list[str], dict[str, str]]:
    body = net.get(path)
    links = {link["rel"]: link["href"] for link in body.get("networks_links", [])}
    return [item["name"] for item in body["networks"]], links


def _follow(href: str) -> str:
    parts = urlsplit(href)
    return f"{parts.path.removeprefix(ROOT)}?{parts.query}"


@pytest.fixture
def five(net: NetworkClient) -> NetworkClient:
    net.post("/networks", {"networks": [{"name": name} for name in "caebd"]})
    return net


def test_pages_forwards_and_back(five: NetworkClient) -> None:
    first, links = _names(five, "/networks?sort_key=name&sort_dir=asc&limit=2")
    second, links = _names(five, _follow(links["next"]))
    third, last = _names(five, _follow(links["next"]))
    assert (first, second, third) == (["a", "b"], ["c", "d"], ["e"])
    assert "next" not in last
    back, links = _names(five, _follow(last["previous"]))
    assert back == ["c", "d"]
    assert _names(five, _follow(links["previous"]))[0] == ["a", "b"]


def test_sorting(five: NetworkClient) -> None:
    assert _names(five, "/networks?sort_key=name&sort_dir=desc")[0] == list("edcba")
    assert _names(five, "/networks?sort_key=tenant_id&sort_dir=asc&sort_key=name&sort_dir=asc")[0] == list("abcde")
    for query in ("sort_key=name&sort_dir=up", "sort_key=colour", "sort_key=name&sort_key=id&sort_dir=asc",
                  "limit=-1", "limit=x", "marker=00000000-0000-0000-0000-000000000000"):  # fmt: skip
        five.get(f"/networks?{query}", expect=400)


def test_fields(five: NetworkClient) -> None:
    body = five.get("/networks?fields=id&fields=name&name=a")["networks"]
    assert [set(item) for item in body] == [{"id", "name"}]
    network_id = body[0]["id"]
    assert five.get(f"/networks/{network_id}?fields=name")["network"] == {"name": "a"}


def test_a_foreign_marker_is_unknown(five: NetworkClient) -> None:
    stranger = five.network("other")
    five.get(f"/networks?limit=2&marker={stranger['id']}", expect=400)


def test_version_documents(net: NetworkClient) -> None:
    for path in ("/network", "/network/"):
        body = net.api.get(path, None).json
        assert body is not None
        (version,) = body["versions"]
        assert (version["id"], version["status"]) == ("v2.0", "CURRENT")
        assert version["links"] == [{"rel": "self", "href": "http://localhost/network/v2.0/"}]
    for path in ("", "/"):
        assert {item["collection"] for item in net.get(path)["resources"]} >= {"networks", "ports", "security-groups"}
    net.get("/elephants", expect=404)


def test_extensions(net: NetworkClient) -> None:
    aliases = {item["alias"] for item in net.get("/extensions")["extensions"]}
    assert {"security-group", "provider", "binding", "quotas", "router"} <= aliases
    assert "evpn" not in aliases
    assert net.get("/extensions/provider")["extension"]["alias"] == "provider"
    net.refused("GET", "/extensions/evpn", None, 404, "ExtensionNotFound")


def test_collections_are_written_either_way(net: NetworkClient) -> None:
    for path in ("/floatingip_pools", "/floatingip-pools", "/security-groups", "/security_groups"):
        assert net.get(path)
    group = net.group()
    assert net.get(f"/security_groups/{group['id']}")["security_group"]["id"] == group["id"]


def test_availability_zones(net: NetworkClient) -> None:
    zones = net.get("/availability_zones")["availability_zones"]
    assert zones == [{"name": "nova", "resource": kind, "state": "available"} for kind in ("network", "router")]
    assert net.get("/availability_zones?resource=router")["availability_zones"] == zones[1:]
    assert net.get("/availability_zones?name=elsewhere")["availability_zones"] == []


def test_quotas(net: NetworkClient) -> None:
    project = net.api.project_id("demo")
    default = net.get(f"/quotas/{project}")["quota"]
    assert default == {
        "network": 100, "subnet": 100, "port": 500, "security_group": 10, "security_group_rule": 100,
        "router": 10, "floatingip": 50, "rbac_policy": 10, "subnetpool": -1, "trunk": -1,
    }  # fmt: skip
    net.put(f"/quotas/{project}", {"quota": {"network": 5}}, expect=403)
    changed = net.put(f"/quotas/{project}", {"quota": {"network": 5, "port": "-1"}}, "admin")["quota"]
    assert (changed["network"], changed["port"], changed["subnet"]) == (5, -1, 100)
    net.put(f"/quotas/{project}", {"quota": {"network": 6}}, "admin")
    (listed,) = net.get("/quotas", "admin")["quotas"]
    assert (listed["project_id"], listed["network"]) == (project, 6)
    assert net.get(f"/quotas/{project}/default")["quota"] == default
    net.network()
    for path in ("details", "details.json"):
        details = net.get(f"/quotas/{project}/{path}")["quota"]
        assert details["network"] == {"limit": 6, "used": 1, "reserved": 0}
    net.get(f"/quotas/{net.api.project_id('other')}", expect=403)
    net.put(f"/quotas/{project}", {"quota": {"network": -2}}, "admin", expect=400)
    net.put(f"/quotas/{project}", {"quota": {"elephants": 2}}, "admin", expect=400)
    checked = {"quota": {"network": 0, "check_limit": True}}
    net.put(f"/quotas/{project}", checked, "admin", expect=400)
    net.put(f"/quotas/{project}", {"quota": {"network": 0}}, "admin")
    net.delete(f"/quotas/{project}", "admin")
    assert net.get(f"/quotas/{project}")["quota"] == default


def test_who_realises_what(net: NetworkClient) -> None:
    """Clients that clean up a project ask whether there are VPNs before anything else."""
    assert net.get("/service-providers?service_type=VPN") == {"service_providers": []}
    (provider,) = net.get("/service-providers")["service_providers"]
    assert provider == {"service_type": "L3_ROUTER_NAT", "name": "cumulet", "default": True}
