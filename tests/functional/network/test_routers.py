"""Routers through the API: interfaces, gateways, routes, what is refused, and what nodes are told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from common.db import network_state, router_places
from common.db.models import Node
from common.ids import new_id
from common.rpc.compute_v1 import NetworkState
from tests.functional.network.conftest import NetworkClient


@pytest.fixture
def gateway(net: NetworkClient, add_node: Callable[[str], str]) -> str:
    """A gateway node that is heard of; its id."""
    node_id = add_node("gw")
    _make_gateway(net, node_id)
    return node_id


def _make_gateway(net: NetworkClient, node_id: str) -> None:
    net.api.services.db.run(lambda session: setattr(session.get_one(Node, node_id), "is_gateway", True))


@pytest.fixture
def outside(net: NetworkClient) -> dict[str, Any]:
    """An external network with a subnet, the administrator's."""
    made = net.network("admin", **{"router:external": True})
    net.subnet(made["id"], "172.24.4.0/24", "admin", enable_dhcp=False)
    return made


def router(net: NetworkClient, as_: str = "demo", **attributes: Any) -> dict[str, Any]:
    body: dict[str, Any] = net.post("/routers", {"router": {"name": "r", **attributes}}, as_)["router"]
    return body


def add(net: NetworkClient, router_id: str, **what: str) -> dict[str, Any]:
    body: dict[str, Any] = net.put(f"/routers/{router_id}/add_router_interface", what)
    return body


def state(net: NetworkClient, node_id: str) -> NetworkState:
    with net.api.services.db.read() as session:
        return network_state.for_node(session, node_id)


def test_a_router_is_made_shown_renamed_and_deleted(net: NetworkClient) -> None:
    made = router(net, description="d")
    assert (made["name"], made["status"], made["external_gateway_info"], made["routes"]) == ("r", "ACTIVE", None, [])
    assert not {"ha", "distributed"} & set(made)
    shown = net.get(f"/routers/{made['id']}", "admin")["router"]
    assert (shown["ha"], shown["distributed"], shown["flavor_id"]) == (False, False, None)
    assert net.put(f"/routers/{made['id']}", {"router": {"name": "s"}})["router"]["revision_number"] == 2
    assert [each["id"] for each in net.get("/routers?name=s")["routers"]] == [made["id"]]
    net.refused("GET", f"/routers/{made['id']}", None, 404, "RouterNotFound", "other")
    net.delete(f"/routers/{made['id']}")
    net.refused("DELETE", f"/routers/{made['id']}", None, 404, "RouterNotFound")


def test_an_interface_by_subnet_has_the_gateway_address(net: NetworkClient, gateway: str) -> None:
    network = net.network()
    subnet, made = net.subnet(network["id"]), router(net)
    added = add(net, made["id"], subnet_id=subnet["id"])
    assert (added["id"], added["subnet_id"], added["network_id"]) == (made["id"], subnet["id"], network["id"])
    port = net.get(f"/ports/{added['port_id']}")["port"]
    assert port["fixed_ips"] == [{"subnet_id": subnet["id"], "ip_address": "10.0.0.1"}]
    assert (port["device_owner"], port["device_id"], port["status"]) == (
        "network:router_interface", made["id"], "ACTIVE",
    )  # fmt: skip
    told = state(net, gateway)
    assert ([each.id for each in told.networks], told.ports) == ([network["id"]], [])
    assert [each.addresses for each in told.routers[0].interfaces] == [["10.0.0.1/24"]]
    for method, body in (("DELETE", None), ("PUT", {"port": {"device_id": ""}})):
        net.refused(method, f"/ports/{port['id']}", body, 409, "ServicePortInUse")
    switched = net.put(f"/ports/{port['id']}", {"port": {"admin_state_up": False}})["port"]
    assert (switched["status"], state(net, gateway).routers[0].interfaces) == ("DOWN", [])
    net.refused("DELETE", f"/routers/{made['id']}", None, 409, "RouterInUse")
    net.refused("DELETE", f"/subnets/{subnet['id']}", None, 409, "SubnetInUse")
    away = {"subnet": {"gateway_ip": None}}
    net.refused("PUT", f"/subnets/{subnet['id']}", away, 409, "GatewayIpInUse")
    net.refused("DELETE", f"/networks/{network['id']}", None, 409, "NetworkInUse")
    net.put(f"/routers/{made['id']}/remove_router_interface", {"subnet_id": subnet["id"]})
    net.refused("GET", f"/ports/{port['id']}", None, 404, "PortNotFound")
    assert state(net, gateway).routers[0].interfaces == []
    net.delete(f"/routers/{made['id']}")
    assert state(net, gateway).routers == []


@pytest.mark.parametrize("mode", ["slaac", "dhcpv6-stateless"])
def test_a_router_has_the_gateway_address_where_hosts_make_their_own(net: NetworkClient, mode: str) -> None:
    network = net.network()
    subnet = net.subnet(network["id"], "2001:db8:6::/64", ipv6_ra_mode=mode, ipv6_address_mode=mode)
    made = router(net)
    port_id = add(net, made["id"], subnet_id=subnet["id"])["port_id"]
    held = [{"subnet_id": subnet["id"], "ip_address": "2001:db8:6::1"}]
    assert net.get(f"/ports/{port_id}")["port"]["fixed_ips"] == held
    guest = {"network_id": network["id"], "fixed_ips": [{"ip_address": "2001:db8:6::9"}]}
    net.refused("POST", "/ports", {"port": guest}, 400, "AllocationOnAutoAddressSubnet")


def test_one_interface_has_all_ipv6_prefixes_of_a_network(net: NetworkClient, gateway: str) -> None:
    network, made = net.network(), router(net)
    modes = {"ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"}
    cidrs = ["2001:db8:6::/64", "2001:db8:7::/64"]
    subnets = [net.subnet(network["id"], cidr, **modes)["id"] for cidr in cidrs]
    four = net.subnet(network["id"], "10.8.0.0/24")["id"]
    ports = [add(net, made["id"], subnet_id=each)["port_id"] for each in [*subnets, four]]
    assert (ports[0] == ports[1], ports[0] == ports[2]) == (True, False)
    fixed = net.get(f"/ports/{ports[0]}")["port"]["fixed_ips"]
    assert [(each["subnet_id"], each["ip_address"]) for each in fixed] == [
        (subnets[0], "2001:db8:6::1"), (subnets[1], "2001:db8:7::1"),
    ]  # fmt: skip
    (six, _) = sorted(state(net, gateway).routers[0].interfaces, key=lambda each: each.port_id != ports[0])
    assert [each.cidr for each in six.advertised] == cidrs
    taken = net.put(f"/routers/{made['id']}/remove_router_interface", {"subnet_id": subnets[0]})
    assert (taken["port_id"], taken["subnet_id"], taken["subnet_ids"]) == (ports[0], subnets[0], [subnets[0]])
    assert [each["subnet_id"] for each in net.get(f"/ports/{ports[0]}")["port"]["fixed_ips"]] == [subnets[1]]
    net.put(f"/routers/{made['id']}/remove_router_interface", {"subnet_id": subnets[1]})
    net.refused("GET", f"/ports/{ports[0]}", None, 404, "PortNotFound")


def test_an_interface_by_port_keeps_the_ports_address(net: NetworkClient) -> None:
    network, made = net.network(), router(net)
    subnet = net.subnet(network["id"])
    port = net.port(network["id"], fixed_ips=[{"ip_address": "10.0.0.9"}])
    assert add(net, made["id"], port_id=port["id"])["subnet_ids"] == [subnet["id"]]
    path = f"/routers/{made['id']}"
    net.refused("PUT", f"{path}/add_router_interface", {"port_id": port["id"]}, 409, "PortInUse")
    body = {"port_id": port["id"], "subnet_id": net.subnet(network["id"], "10.9.0.0/24")["id"]}
    net.refused("PUT", f"{path}/remove_router_interface", body, 409, "SubnetMismatchForPort")
    net.put(f"{path}/remove_router_interface", {"port_id": port["id"]})
    net.refused("PUT", f"{path}/remove_router_interface", {"port_id": port["id"]}, 404, "RouterInterfaceNotFound")


def test_interfaces_that_make_no_sense_are_refused(net: NetworkClient) -> None:
    made, network = router(net), net.network()
    path = f"/routers/{made['id']}/add_router_interface"
    subnet = net.subnet(network["id"])
    for body in ({}, {"subnet_id": subnet["id"], "port_id": new_id()}):
        net.refused("PUT", path, body, 400, "BadRequest")
    net.refused("PUT", path, {"subnet_id": new_id()}, 404, "SubnetNotFound")
    none = net.subnet(network["id"], "10.5.0.0/24", gateway_ip=None)
    assert "gateway IP" in net.refused("PUT", path, {"subnet_id": none["id"]}, 400, "BadRequest")
    add(net, made["id"], subnet_id=subnet["id"])
    net.refused("PUT", path, {"subnet_id": subnet["id"]}, 400, "BadRequest")
    twin = net.subnet(net.network()["id"], "10.0.0.128/25")
    assert "overlaps" in net.refused("PUT", path, {"subnet_id": twin["id"]}, 400, "BadRequest")
    bare = net.port(network["id"], fixed_ips=[])
    net.refused("PUT", path, {"port_id": bare["id"]}, 400, "BadRequest")
    mine = {"port": {"network_id": network["id"], "device_id": made["id"], "device_owner": "network:router_interface"}}
    net.refused("POST", "/ports", mine, 409, "DeviceIDNotOwnedByTenant")


def test_a_gateway_is_set_shown_and_cleared(net: NetworkClient, gateway: str, outside: dict[str, Any]) -> None:
    made = router(net, external_gateway_info={"network_id": outside["id"]})
    info = made["external_gateway_info"]
    assert (info["network_id"], info["enable_snat"], len(info["external_fixed_ips"])) == (outside["id"], True, 1)
    (port,) = net.get(f"/ports?device_id={made['id']}", "admin")["ports"]
    assert (port["device_owner"], port["project_id"], port["binding:host_id"]) == ("network:router_gateway", "", "gw")
    assert net.get(f"/ports?device_id={made['id']}")["ports"] == []
    (told,) = state(net, gateway).routers
    assert (told.gateway_ips, told.source_nat) == (["172.24.4.1"], True)
    net.refused("DELETE", f"/networks/{outside['id']}", None, 409, "NetworkInUse", "admin")
    body: dict[str, Any] = {"network": {"router:external": False}}
    net.refused("PUT", f"/networks/{outside['id']}", body, 409, "ExternalNetworkInUse", "admin")
    cleared = net.put(f"/routers/{made['id']}", {"router": {"external_gateway_info": {}}})["router"]
    assert cleared["external_gateway_info"] is None
    assert state(net, gateway).routers[0].gateway is None


def test_what_of_a_gateway_is_for_administrators(net: NetworkClient, outside: dict[str, Any]) -> None:
    made = router(net)
    path = f"/routers/{made['id']}"
    info: dict[str, Any] = {"network_id": outside["id"], "enable_snat": False}
    net.refused("PUT", path, {"router": {"external_gateway_info": info}}, 403, "PolicyNotAuthorized")
    info["external_fixed_ips"] = [{"ip_address": "172.24.4.77"}]
    changed = net.put(path, {"router": {"external_gateway_info": info}}, "admin")["router"]["external_gateway_info"]
    assert (changed["enable_snat"], changed["external_fixed_ips"][0]["ip_address"]) == (False, "172.24.4.77")
    info["external_fixed_ips"] = [{"ip_address": "172.24.4.78"}]
    changed = net.put(path, {"router": {"external_gateway_info": info}}, "admin")["router"]["external_gateway_info"]
    assert changed["external_fixed_ips"][0]["ip_address"] == "172.24.4.78"
    net.refused("PUT", path, {"router": {"ha": True}}, 403, "PolicyNotAuthorized")
    inner = {"router": {"external_gateway_info": {"network_id": net.network()["id"]}}}
    net.refused("PUT", path, inner, 400, "BadRequest")
    clash = net.subnet(net.network()["id"], "172.24.4.0/25")
    net.refused("PUT", f"{path}/add_router_interface", {"subnet_id": clash["id"]}, 400, "BadRequest")


def test_static_routes(net: NetworkClient, gateway: str) -> None:
    made, subnet = router(net), net.subnet(net.network()["id"])
    add(net, made["id"], subnet_id=subnet["id"])
    path = f"/routers/{made['id']}"
    one, two = ({"destination": f"192.0.{n}.0/24", "nexthop": f"10.0.0.{n}"} for n in (2, 3))
    assert net.put(path, {"router": {"routes": [one]}})["router"]["routes"] == [one]
    added = net.put(f"{path}/add_extraroutes", {"router": {"routes": [one, two]}})["router"]["routes"]
    assert added == [one, two]
    assert [each.nexthop for each in state(net, gateway).routers[0].routes] == ["10.0.0.2", "10.0.0.3"]
    body = {"subnet_id": subnet["id"]}
    net.refused("PUT", f"{path}/remove_router_interface", body, 409, "RouterInterfaceInUseByRoute")
    for route in ({"destination": "192.0.9.0/24", "nexthop": hop} for hop in ("10.7.7.7", "10.0.0.1")):
        net.refused("PUT", path, {"router": {"routes": [route]}}, 400, "InvalidRoutes")
    many = [{"destination": f"198.18.{n}.0/24", "nexthop": "10.0.0.2"} for n in range(31)]
    net.refused("PUT", path, {"router": {"routes": many}}, 400, "RoutesExhausted")
    assert net.put(f"{path}/remove_extraroutes", {"router": {"routes": [one]}})["router"]["routes"] == [two]
    assert net.put(path, {"router": {"routes": None}})["router"]["routes"] == []


def test_a_router_that_is_switched_off_is_on_no_node(net: NetworkClient, gateway: str) -> None:
    made = router(net)
    add(net, made["id"], subnet_id=net.subnet(net.network()["id"])["id"])
    net.put(f"/routers/{made['id']}", {"router": {"admin_state_up": False}})
    assert state(net, gateway).routers == []
    net.put(f"/routers/{made['id']}", {"router": {"admin_state_up": True}})
    assert len(state(net, gateway).routers) == 1


def test_quota_counts_routers(net: NetworkClient) -> None:
    project = net.api.project_id("demo")
    net.put(f"/quotas/{project}", {"quota": {"router": 1}}, "admin")
    made = router(net)
    net.refused("POST", "/routers", {"router": {}}, 409, "OverQuota")
    assert net.get(f"/quotas/{project}/details")["quota"]["router"] == {"limit": 1, "used": 1, "reserved": 0}
    net.delete(f"/routers/{made['id']}")
    router(net)


def test_gateway_nodes_are_l3_agents_and_routers_move_between_them(
    net: NetworkClient, gateway: str, add_node: Callable[[str], str]
) -> None:
    second = add_node("gw2")
    _make_gateway(net, second)
    made = router(net)
    add(net, made["id"], subnet_id=net.subnet(net.network()["id"])["id"])
    agents = {each["host"]: each["id"] for each in net.get("/agents?agent_type=L3%20agent", "admin")["agents"]}
    assert set(agents) == {"gw", "gw2"}
    assert [each["host"] for each in net.get(f"/routers/{made['id']}/l3-agents", "admin")["agents"]] == ["gw"]
    assert [each["id"] for each in net.get(f"/agents/{agents['gw']}/l3-routers", "admin")["routers"]] == [made["id"]]
    body = {"router_id": made["id"]}
    net.refused("POST", f"/agents/{agents['gw2']}/l3-routers", body, 409, "RouterHostedByL3Agent", "admin")
    net.refused("POST", f"/agents/{second}/l3-routers", body, 409, "InvalidL3Agent", "admin")
    net.delete(f"/agents/{agents['gw']}/l3-routers/{made['id']}", "admin")
    assert state(net, gateway).routers == []
    net.post(f"/agents/{agents['gw2']}/l3-routers", body, "admin")
    assert [each.id for each in state(net, second).routers] == [made["id"]]
    services = net.api.services
    assert services.db.run(lambda session: router_places.stranded(session, services.clock.now())) == []
    net.refused("GET", f"/agents/{new_id()}/l3-routers", None, 404, "AgentNotFound", "admin")


def test_flat_and_vlan_networks_are_on_a_physical_one(net: NetworkClient) -> None:
    def asked(kind: str, **more: Any) -> dict[str, Any]:
        wish: dict[str, Any] = {"provider:network_type": kind, "provider:physical_network": "physnet1"}
        return {"network": wish | {f"provider:{key}": value for key, value in more.items()}}

    flat = net.post("/networks", asked("flat"), "admin")["network"]
    assert (flat["provider:segmentation_id"], flat["cumulet:nat"]) == (None, True)
    net.refused("POST", "/networks", asked("flat"), 409, "FlatNetworkInUse", "admin")
    vlan = net.post("/networks", asked("vlan", segmentation_id=17), "admin")["network"]
    assert vlan["provider:segmentation_id"] == 17
    net.refused("POST", "/networks", asked("vlan", segmentation_id=17), 409, "VlanIdInUse", "admin")
    assert 1 <= net.post("/networks", asked("vlan"), "admin")["network"]["provider:segmentation_id"] <= 4094
    for body in (
        asked("vlan", segmentation_id=4095), asked("flat", segmentation_id=3),
        asked("flat", physical_network="elsewhere"), asked("flat", physical_network=None), asked("vxlan"),
    ):  # fmt: skip
        net.refused("POST", "/networks", body, 400, "InvalidInput", "admin")
    net.refused("POST", "/networks", asked("flat"), 403, "PolicyNotAuthorized")


def test_the_clouds_own_gateway_is_nobodys_router(net: NetworkClient) -> None:
    shared = net.network("admin", shared=True, **{"cumulet:nat": True})
    subnet, made = net.subnet(shared["id"], "10.88.0.0/24", "admin"), router(net)
    body = {"subnet_id": subnet["id"]}
    net.refused("PUT", f"/routers/{made['id']}/add_router_interface", body, 409, "IpAddressAlreadyAllocated")
