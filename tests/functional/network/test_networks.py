"""Networks through the API: what is shown, who may do what, and refusals in Neutron's words."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.functional.network.conftest import NetworkClient


def test_create_show_update_delete(net: NetworkClient) -> None:
    made = net.network(name="blue", description="d")
    assert (made["status"], made["shared"], made["router:external"], made["mtu"]) == ("ACTIVE", False, False, 1450)
    assert made["tenant_id"] == made["project_id"] == net.api.project_id("demo")
    assert made["subnets"] == []
    assert "provider:network_type" not in made
    assert net.get(f"/networks/{made['id']}")["network"] == made
    changed = net.put(f"/networks/{made['id']}", {"network": {"name": "green", "admin_state_up": False}})["network"]
    assert (changed["name"], changed["admin_state_up"], changed["revision_number"]) == ("green", False, 2)
    net.delete(f"/networks/{made['id']}")
    message = net.refused("GET", f"/networks/{made['id']}", None, 404, "NetworkNotFound")
    assert message == f"Network {made['id']} could not be found."


def test_administrators_see_and_set_provider_attributes(net: NetworkClient) -> None:
    made = net.network("admin", shared=True, **{"cumulet:nat": True, "provider:segmentation_id": 77})
    assert (made["provider:segmentation_id"], made["provider:network_type"]) == (77, "vxlan")
    assert made["cumulet:nat"] is True
    assert net.network("admin", **{"provider:segmentation_id": "78"})["provider:segmentation_id"] == 78
    net.refused("POST", "/networks", {"network": {"provider:segmentation_id": 2**24}}, 400, "InvalidInput", "admin")
    body = {"network": {"provider:segmentation_id": 77}}
    net.refused("POST", "/networks", body, 409, "TunnelIdInUse", "admin")


@pytest.mark.parametrize(
    "attributes",
    [{"shared": True}, {"shared": False}, {"router:external": True}, {"cumulet:nat": True}, {"is_default": False},
     {"provider:network_type": "vxlan"}, {"provider:segmentation_id": 5}],
)  # fmt: skip
def test_only_administrators_send_their_attributes(net: NetworkClient, attributes: dict[str, object]) -> None:
    net.refused("POST", "/networks", {"network": attributes}, 403, "PolicyNotAuthorized")


def test_only_administrators_name_another_project(net: NetworkClient) -> None:
    body = {"network": {"project_id": net.api.project_id("other")}}
    net.refused("POST", "/networks", body, 400, "HTTPBadRequest")
    assert net.post("/networks", body, "admin")["network"]["tenant_id"] == net.api.project_id("other")


@pytest.mark.parametrize("name", ["id", "status", "subnets", "created_at", "revision_number"])
def test_server_owned_attributes_are_refused(net: NetworkClient, name: str) -> None:
    made = net.network()
    net.refused("POST", "/networks", {"network": {name: made[name]}}, 400, "HTTPBadRequest")
    net.refused("PUT", f"/networks/{made['id']}", {"network": {name: made[name]}}, 400, "HTTPBadRequest")


def test_unknown_attributes_are_refused_by_name(net: NetworkClient) -> None:
    message = net.refused("POST", "/networks", {"network": {"colour": 1}}, 400, "HTTPBadRequest")
    assert message == "Unrecognized attribute(s) 'colour'"
    assert "network" in net.refused("POST", "/networks", {"net": {}}, 400, "HTTPBadRequest")


def test_a_strangers_network_is_as_unknown_as_any(net: NetworkClient) -> None:
    made = net.network("other")
    body = {"network": {"name": "x"}}
    for method, sent in (("GET", None), ("PUT", body), ("DELETE", None)):
        message = net.refused(method, f"/networks/{made['id']}", sent, 404, "NetworkNotFound")
        assert message == f"Network {made['id']} could not be found."
    assert net.get("/networks")["networks"] == []
    assert net.get(f"/networks?project_id={net.api.project_id('other')}")["networks"] == []


def test_a_shared_network_is_seen_and_used_but_not_changed(net: NetworkClient) -> None:
    made = net.network("admin", shared=True)
    net.subnet(made["id"], as_="admin")
    assert len(net.get(f"/networks/{made['id']}")["network"]["subnets"]) == 1
    net.refused("PUT", f"/networks/{made['id']}", {"network": {"name": "x"}}, 403, "PolicyNotAuthorized")
    net.refused("DELETE", f"/networks/{made['id']}", None, 403, "PolicyNotAuthorized")
    net.port(made["id"])
    body = {"network": {"shared": False}}
    net.refused("PUT", f"/networks/{made['id']}", body, 409, "InvalidSharedSetting", "admin")


def test_an_external_network_is_seen_but_not_used(net: NetworkClient) -> None:
    made = net.network("admin", **{"router:external": True})
    net.subnet(made["id"], as_="admin")
    assert net.get(f"/networks/{made['id']}")["network"]["subnets"] == []
    net.refused("POST", "/ports", {"port": {"network_id": made["id"]}}, 404, "NetworkNotFound")


def test_a_network_with_ports_stays(net: NetworkClient) -> None:
    made = net.network()
    net.subnet(made["id"])
    port = net.port(made["id"])
    message = net.refused("DELETE", f"/networks/{made['id']}", None, 409, "NetworkInUse")
    assert made["id"] in message
    net.delete(f"/ports/{port['id']}")
    net.delete(f"/networks/{made['id']}")
    assert net.get("/subnets")["subnets"] == []
    assert net.get("/ports")["ports"] == []


def test_bulk_is_all_or_nothing(net: NetworkClient) -> None:
    made = net.post("/networks", {"networks": [{"name": "a"}, {"name": "b"}]})["networks"]
    assert [item["name"] for item in made] == ["a", "b"]
    net.put(f"/quotas/{net.api.project_id('demo')}", {"quota": {"network": 3}}, "admin")
    message = net.refused("POST", "/networks", {"networks": [{"name": "c"}, {"name": "d"}]}, 409, "OverQuota")
    assert message == "Quota exceeded for resources: ['network']."
    assert len(net.get("/networks")["networks"]) == 2
    net.network(name="c")


def test_if_match_guards_a_change(net: NetworkClient) -> None:
    made = net.network()
    path, body = f"/networks/{made['id']}", {"network": {"name": "x"}}
    net.put(path, body, headers={"If-Match": "revision_number=1"})
    net.put(path, body, headers={"If-Match": "revision_number=1"}, expect=412)
    net.put(path, body, headers={"If-Match": "etag"}, expect=400)
    net.delete(path, headers={"If-Match": "revision_number=1"}, expect=412)


def test_mtu_is_bounded_by_the_underlay(net: NetworkClient) -> None:
    assert net.network(mtu=1400)["mtu"] == 1400
    net.refused("POST", "/networks", {"network": {"mtu": 1500}}, 400, "InvalidInput")


def test_readers_read_only(net: NetworkClient) -> None:
    net.get("/networks", "reader")
    net.call("POST", "/networks", "reader", 403, json={"network": {}})
    net.get("/networks", None, 401)


def test_address_use_is_for_administrators(net: NetworkClient) -> None:
    made = net.network()
    net.subnet(made["id"], "10.0.0.0/29")
    net.port(made["id"])
    (use,) = net.get("/network-ip-availabilities", "admin")["network_ip_availabilities"]
    assert (use["used_ips"], use["total_ips"]) == (2, 5)  # the port and DHCP, of six less the gateway
    shown = net.get(f"/network-ip-availabilities/{made['id']}", "admin")["network_ip_availability"]
    assert shown["subnet_ip_availability"][0]["cidr"] == "10.0.0.0/29"
    net.get("/network-ip-availabilities", expect=403)


def test_agents_are_the_nodes(net: NetworkClient, add_node: Callable[[str], str]) -> None:
    node_id = add_node("node1")
    agent, answering = net.get("/agents", "admin")["agents"]
    assert (agent["id"], agent["host"], agent["alive"]) == (node_id, "node1", True)
    assert (answering["agent_type"], answering["host"]) == ("DHCP agent", "node1")
    assert net.get("/agents?agent_type=DHCP agent", "admin")["agents"] == [answering]
    assert net.get("/agents?sort_key=agent_type&limit=1", "admin")["agents"] == [answering]
    body = {"agent": {"description": "in the cellar"}}
    assert net.put(f"/agents/{answering['id']}", body, "admin")["agent"]["description"] == "in the cellar"
    net.put(f"/agents/{node_id}", {"agent": {"description": ""}}, "admin")
    assert net.get(f"/agents/{node_id}", "admin")["agent"] == agent
    assert net.get("/agents?host=node2", "admin")["agents"] == []
    net.get("/agents", expect=403)


def test_a_network_is_transparent_to_vlans_from_its_beginning_or_never(net: NetworkClient) -> None:
    made, plain = net.network(vlan_transparent=True), net.network()
    assert (made["vlan_transparent"], plain["vlan_transparent"]) == (True, False)
    assert [each["id"] for each in net.get("/networks?vlan_transparent=true")["networks"]] == [made["id"]]
    net.refused("PUT", f"/networks/{plain['id']}", {"network": {"vlan_transparent": True}}, 400, "HTTPBadRequest")
