"""NDP proxies, conntrack helpers, ranges of forwarded ports and limits of addresses outside: the API, and what nodes are told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from common.db.models import Node
from tests.functional.network.conftest import NetworkClient
from tests.functional.network.test_floating_ips import Town, town
from tests.functional.network.test_routers import add, router, state

__all__ = ["town"]


def test_a_range_of_ports_is_forwarded(town: Town) -> None:
    made, fixed = town.float(), town.port["fixed_ips"][0]["ip_address"]
    path = f"/floatingips/{made['id']}/port_forwardings"
    wish: dict[str, Any] = {
        "protocol": "tcp", "external_port_range": "2000:2009", "internal_port_range": "3000:3009",
        "internal_ip_address": fixed, "internal_port_id": town.port["id"],
    }  # fmt: skip
    one = town.net.post(path, {"port_forwarding": wish})["port_forwarding"]
    assert {key: one[key] for key in wish} == wish
    assert (one["external_port"], one["internal_port"]) == (None, None)
    (told,) = state(town.net, town.node_id).routers[0].forwarded
    assert (told.port, told.last_port, told.fixed_port, told.fixed_last_port) == (2000, 2009, 3000, 3009)
    for more in (
        {"external_port_range": "2009:2012", "internal_port_range": "40"},  # a port outside is forwarded already
        {"external_port_range": "2100:2101", "internal_port_range": "3009:3010"},  # one inside is
        {"external_port_range": "2009", "internal_port_range": "50"},
    ):
        town.net.refused("POST", path, {"port_forwarding": wish | more}, 400, "BadRequest")
    for more in (
        {"external_port_range": "2100:2102", "internal_port_range": "40:41"},
        {"external_port_range": "2102:2100", "internal_port_range": "40"},
        {"external_port_range": "2100:70000", "internal_port_range": "40"},
        {"external_port_range": "1:300", "internal_port_range": "1001:1300"},
        {"external_port": 5, "internal_port_range": "40"},
    ):
        town.net.refused("POST", path, {"port_forwarding": wish | more}, 400, "InvalidInput")
    other = town.net.post(path, {"port_forwarding": wish | {"protocol": "udp"}})["port_forwarding"]
    ports = {"external_port_range": "53", "internal_port_range": "53"}
    changed = town.net.put(f"{path}/{other['id']}", {"port_forwarding": ports})["port_forwarding"]
    assert (changed["external_port"], changed["internal_port_range"]) == (53, "53:53")
    shown = town.net.get(f"/floatingips/{made['id']}")["floatingip"]["port_forwardings"]
    assert {each["id"] for each in shown} == {one["id"], other["id"]}


def _policy(net: NetworkClient, **limit: Any) -> str:
    made = net.post("/qos/policies", {"policy": {"name": "p", "shared": True}}, "admin")["policy"]["id"]
    net.post(f"/qos/policies/{made}/bandwidth_limit_rules", {"bandwidth_limit_rule": limit}, "admin")
    return str(made)


def test_a_policy_limits_floating_addresses_and_the_gateways(town: Town) -> None:
    net, slow = town.net, _policy(town.net, max_kbps=1000, direction="ingress")

    def told() -> list[tuple[str, int | None, int | None]]:
        limited = state(net, town.node_id).routers[0].limited
        return [(e.address, e.ingress and e.ingress.kbit_per_s, e.egress and e.egress.kbit_per_s) for e in limited]

    made = town.float(port_id=town.port["id"], qos_policy_id=slow)
    address = made["floating_ip_address"]
    assert (made["qos_policy_id"], made["qos_network_policy_id"], told()) == (slow, None, [(address, 1000, None)])
    net.refused("DELETE", f"/qos/policies/{slow}", None, 409, "QosPolicyInUse", "admin")
    version = state(net, town.node_id).version
    net.post(f"/qos/policies/{slow}/bandwidth_limit_rules", {"bandwidth_limit_rule": {"max_kbps": 500}}, "admin")
    assert state(net, town.node_id).version > version, "the router's node is to fetch the new rule"
    assert told() == [(address, 1000, 500)]
    net.put(f"/floatingips/{made['id']}", {"floatingip": {"qos_policy_id": None}})
    assert told() == []
    whole = _policy(net, max_kbps=2000)
    net.put(f"/networks/{town.outside_id}", {"network": {"qos_policy_id": whole}}, "admin")
    assert net.get(f"/floatingips/{made['id']}")["floatingip"]["qos_network_policy_id"] == whole
    assert told() == [(address, None, 2000)]
    net.put(f"/networks/{town.outside_id}", {"network": {"qos_policy_id": None}}, "admin")
    info = {"network_id": town.outside_id, "qos_policy_id": slow}
    shown = net.put(f"/routers/{town.router_id}", {"router": {"external_gateway_info": info}})["router"]
    assert shown["external_gateway_info"]["qos_policy_id"] == slow
    own = shown["external_gateway_info"]["external_fixed_ips"][0]["ip_address"]
    assert told() == [(own, 1000, 500)]


def test_conntrack_helpers(town: Town) -> None:
    net, path = town.net, f"/routers/{town.router_id}/conntrack_helpers"
    wish = {"helper": "tftp", "protocol": "udp", "port": 69}
    made = net.post(path, {"conntrack_helper": wish})["conntrack_helper"]
    assert {key: made[key] for key in wish} == wish
    assert net.get(f"/routers/{town.router_id}")["router"]["conntrack_helpers"] == [wish]
    (told,) = state(net, town.node_id).routers[0].helpers
    assert (told.helper, told.protocol, told.port) == ("tftp", "udp", 69)
    net.refused("POST", path, {"conntrack_helper": wish}, 400, "BadRequest")
    net.refused("POST", path, {"conntrack_helper": {**wish, "helper": "nfs"}}, 400, "ConntrackHelperNotAllowed")
    net.refused("POST", path, {"conntrack_helper": {**wish, "protocol": "tcp"}}, 400, "InvalidProtocolForHelper")
    one = f"{path}/{made['id']}"
    assert net.put(one, {"conntrack_helper": {"port": 6969}})["conntrack_helper"]["port"] == 6969
    assert [each["id"] for each in net.get(f"{path}?port=6969")["conntrack_helpers"]] == [made["id"]]
    net.refused("GET", one, None, 404, "RouterNotFound", "other")
    net.delete(one)
    net.refused("GET", one, None, 404, "ConntrackHelperNotFound")
    assert state(net, town.node_id).routers[0].helpers == []


@pytest.fixture
def scope(net: NetworkClient, add_node: Callable[[str], str]) -> dict[str, str]:
    """An external network and one of demo's, both of one pool in an address scope; a gateway node."""
    node_id = add_node("gw")
    net.api.services.db.run(lambda session: setattr(session.get_one(Node, node_id), "is_gateway", True))
    asked = {"name": "s", "ip_version": 6, "shared": True}
    made = net.post("/address-scopes", {"address_scope": asked}, "admin")["address_scope"]["id"]
    asked = {
        "name": "p", "address_scope_id": made, "default_prefixlen": 112, "prefixes": ["2001:db8::/96"], "shared": True,
    }  # fmt: skip
    pool = net.post("/subnetpools", {"subnetpool": asked}, "admin")["subnetpool"]["id"]
    outside, inside = net.network("admin", **{"router:external": True}), net.network()
    subnets = []
    for network, persona in ((outside, "admin"), (inside, "demo")):
        wish = {"network_id": network["id"], "ip_version": 6, "subnetpool_id": pool}
        subnets.append(net.post("/subnets", {"subnet": wish}, persona)["subnet"]["id"])
    return {"node": node_id, "outside": outside["id"], "inside": inside["id"], "subnet": subnets[1]}


def test_a_router_answers_outside_for_addresses_inside(net: NetworkClient, scope: dict[str, str]) -> None:
    made = router(net, external_gateway_info={"network_id": scope["outside"]}, enable_ndp_proxy=True)
    path, port = f"/routers/{made['id']}", net.port(scope["inside"])
    wish = {"router_id": made["id"], "port_id": port["id"]}
    net.refused("POST", "/ndp_proxies", {"ndp_proxy": wish}, 409, "PortUnreachableRouter")
    add(net, made["id"], subnet_id=scope["subnet"])
    proxy = net.post("/ndp_proxies", {"ndp_proxy": {**wish, "name": "web"}})["ndp_proxy"]
    address = port["fixed_ips"][0]["ip_address"]
    assert (proxy["ip_address"], proxy["name"], proxy["router_id"]) == (address, "web", made["id"])
    (spec,) = state(net, scope["node"]).routers
    assert (spec.ndp_proxy, spec.ndp_proxied) == (True, [address])
    net.refused("POST", "/ndp_proxies", {"ndp_proxy": wish}, 409, "NDPProxyDuplicate")
    net.refused(
        "PUT", f"{path}/remove_router_interface", {"subnet_id": scope["subnet"]}, 409, "RouterInterfaceInUseByNDPProxy"
    )
    net.refused("PUT", path, {"router": {"external_gateway_info": None}}, 409, "RouterGatewayInUseByNDPProxy")
    one = f"/ndp_proxies/{proxy['id']}"
    net.refused("GET", one, None, 404, "NDPProxyNotFound", "other")
    assert net.put(one, {"ndp_proxy": {"description": "d"}})["ndp_proxy"]["description"] == "d"
    assert not net.put(path, {"router": {"enable_ndp_proxy": False}})["router"]["enable_ndp_proxy"]
    assert state(net, scope["node"]).routers[0].ndp_proxied == []
    net.delete(one)
    assert net.get("/ndp_proxies")["ndp_proxies"] == []


def test_neighbours_are_answered_for_only_in_one_address_scope(net: NetworkClient, scope: dict[str, str]) -> None:
    lonely = router(net)
    net.refused("PUT", f"/routers/{lonely['id']}", {"router": {"enable_ndp_proxy": True}}, 409, "RouterGatewayNotValid")
    made = router(net, external_gateway_info={"network_id": scope["outside"]})
    stranger = net.network()
    own = net.subnet(stranger["id"], "2001:db8:5::/64")
    add(net, made["id"], subnet_id=own["id"])
    wish = {"router_id": made["id"], "port_id": net.port(stranger["id"])["id"]}
    net.refused("POST", "/ndp_proxies", {"ndp_proxy": wish}, 409, "RouterNDPProxyNotEnable")
    net.put(f"/routers/{made['id']}", {"router": {"enable_ndp_proxy": True}})
    net.refused("POST", "/ndp_proxies", {"ndp_proxy": wish}, 409, "AddressScopeConflict")
