"""Tags of the network API's objects: set, shown with them, found by them, and gone with them."""

from __future__ import annotations

import pytest

from common.db import network_tags
from tests.functional.network.conftest import NetworkClient


def test_tags_are_replaced_added_and_removed(net: NetworkClient) -> None:
    made = net.network()
    path = f"/networks/{made['id']}"
    assert net.put(f"{path}/tags", {"tags": ["red", "blue"]})["tags"] == ["blue", "red"]
    net.call("PUT", f"{path}/tags/green", "demo", 201)
    net.call("GET", f"{path}/tags/green", "demo", 204)
    net.refused("GET", f"{path}/tags/black", None, 404, "TagNotFound")
    assert net.get(path)["network"]["tags"] == ["blue", "green", "red"]
    net.delete(f"{path}/tags/red")
    net.refused("DELETE", f"{path}/tags/red", None, 404, "TagNotFound")
    assert net.get(f"{path}/tags")["tags"] == ["blue", "green"]
    assert net.post(f"{path}/tags", {"tags": ["white"]})["tags"] == ["blue", "green", "white"]
    assert net.get(path)["network"]["revision_number"] > made["revision_number"]
    net.delete(f"{path}/tags")
    assert net.get(path)["network"]["tags"] == []


@pytest.mark.parametrize(
    ("query", "found"),
    [("tags=a", ["ab", "a"]), ("tags=a,b", ["ab"]), ("tags-any=a,b", ["ab", "a", "b"]), ("not-tags=a,b", ["a", "b", ""]),
     ("not-tags-any=a,b", [""]), ("tags=a&not-tags=b", ["a"])],
)  # fmt: skip
def test_lists_are_filtered_by_tags(net: NetworkClient, query: str, found: list[str]) -> None:
    for name in ("ab", "a", "b", ""):
        made = net.group(name=name)
        net.put(f"/security-groups/{made['id']}/tags", {"tags": list(name)})
    listed = net.get(f"/security-groups?{query}")["security_groups"]
    assert sorted(each["name"] for each in listed if each["name"] != "default") == sorted(found)


def test_a_port_is_made_with_its_tags(net: NetworkClient) -> None:
    network = net.network()
    port = net.port(network["id"], tags=["x"])
    assert port["tags"] == ["x"]
    net.delete(f"/ports/{port['id']}")
    assert net.get("/ports?tags=x")["ports"] == []


def test_strangers_neither_see_nor_set_tags(net: NetworkClient) -> None:
    private, shared = net.network("other"), net.network("admin", shared=True)
    net.refused("PUT", f"/networks/{private['id']}/tags", {"tags": ["x"]}, 404, "NetworkNotFound")
    net.refused("PUT", f"/networks/{shared['id']}/tags", {"tags": ["x"]}, 403, "PolicyNotAuthorized")
    assert net.get(f"/networks/{shared['id']}/tags")["tags"] == []


@pytest.mark.parametrize("tags", [["a", "a"], ["a,b"], [""], ["x" * 256], "a", [1]])
def test_bad_tags_are_refused(net: NetworkClient, tags: object) -> None:
    net.refused("PUT", f"/networks/{net.network()['id']}/tags", {"tags": tags}, 400, "HTTPBadRequest")


def test_every_kind_of_object_has_tags(net: NetworkClient) -> None:
    network = net.network()
    subnet, port, group = net.subnet(network["id"]), net.port(network["id"]), net.group()
    policy = net.post("/qos/policies", {"policy": {"name": "q"}}, "admin")["policy"]
    pool = net.post("/subnetpools", {"subnetpool": {"name": "p", "prefixes": ["10.0.0.0/8"]}})["subnetpool"]
    trunk = net.post("/trunks", {"trunk": {"port_id": port["id"]}})["trunk"]
    addresses = net.post("/address-groups", {"address_group": {"name": "g"}})["address_group"]
    rule = group["security_group_rules"][0]
    for path, made in (
        ("/subnets", subnet), ("/ports", port), ("/security-groups", group), ("/security-group-rules", rule),
        ("/qos/policies", policy), ("/policies", policy), ("/subnetpools", pool), ("/trunks", trunk),
        ("/address-groups", addresses),
    ):  # fmt: skip
        net.put(f"{path}/{made['id']}/tags", {"tags": ["t"]}, "admin")
        assert net.get(f"{path}/{made['id']}/tags", "admin")["tags"] == ["t"]
        if path != "/policies":
            (listed,) = net.get(f"{path}?tags=t", "admin").popitem()[1]
            assert (listed["id"], listed["tags"]) == (made["id"], ["t"])


def test_routers_and_floating_addresses_are_found_by_their_tags_and_take_them_along(net: NetworkClient) -> None:
    outside = net.network("admin", **{"router:external": True})
    net.subnet(outside["id"], "172.24.4.0/24", "admin", enable_dhcp=False)
    router = net.post("/routers", {"router": {"name": "r"}})["router"]
    floating = net.post("/floatingips", {"floatingip": {"floating_network_id": outside["id"]}})["floatingip"]
    for collection, made in (("routers", router), ("floatingips", floating)):
        path = f"/{collection}/{made['id']}"
        net.put(f"{path}/tags", {"tags": ["x"]})
        assert [each["id"] for each in net.get(f"/{collection}?tags=x")[collection]] == [made["id"]]
        assert net.get(f"/{collection}?not-tags=x")[collection] == []
        (shown,) = net.get(path).values()
        assert (shown["tags"], shown["revision_number"] > made["revision_number"]) == (["x"], True)
        net.delete(path)
    with net.api.services.db.read() as session:
        assert network_tags.of(session, [router["id"], floating["id"]]) == {}
