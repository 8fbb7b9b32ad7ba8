"""What administrators arrange: segment ranges, DHCP on nodes, router flavors; and what projects get ready-made from it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from common.db import network_state
from common.ids import new_id
from common.rpc.compute_v1 import NetworkState
from tests.functional.network.conftest import NetworkClient

_PROVIDERS = "neutron.services.l3_router.service_providers."


def _state(net: NetworkClient, node_id: str) -> NetworkState:
    with net.api.services.db.read() as session:
        return network_state.for_node(session, node_id)


def _range(net: NetworkClient, minimum: int, maximum: int, expect: int = 201, **more: Any) -> dict[str, Any]:
    asked = {"network_type": "vxlan", "minimum": minimum, "maximum": maximum, "shared": False, **more}
    body: dict[str, Any] = net.post("/network_segment_ranges", {"network_segment_range": asked}, "admin", expect)
    return body["network_segment_range"] if expect == 201 else body


def _vni(net: NetworkClient, network: dict[str, Any]) -> int:
    return int(net.get(f"/networks/{network['id']}", "admin")["network"]["provider:segmentation_id"])


def test_a_projects_networks_have_the_numbers_of_its_own_range_and_nobody_elses_do(net: NetworkClient) -> None:
    made = _range(net, 700, 701, project_id=net.api.project_id("demo"))
    assert (made["project_id"], made["shared"], made["default"]) == (net.api.project_id("demo"), False, False)
    mine = [net.network() for _ in range(3)]
    assert sorted(_vni(net, each) for each in mine[:2]) == [700, 701]
    assert _vni(net, mine[2]) not in (700, 701), "where the own range is used up, what is for all serves"
    path = f"/network_segment_ranges/{made['id']}"
    shown = net.get(path, "admin")["network_segment_range"]
    assert (set(shown["used"]), shown["available"]) == ({"700", "701"}, [])
    shrunk = {"network_segment_range": {"minimum": 701, "maximum": 705}}
    net.refused("PUT", path, shrunk, 409, "NetworkSegmentRangeReferencedByProject", "admin")
    net.refused("DELETE", path, None, 409, "NetworkSegmentRangeReferencedByProject", "admin")
    grown = {"network_segment_range": {"minimum": 699, "name": "n"}}
    assert net.put(path, grown, "admin")["network_segment_range"]["available"] == [699]
    for network in mine[:2]:
        net.delete(f"/networks/{network['id']}")
    net.delete(path, "admin")
    net.refused("GET", path, None, 404, "NetworkSegmentRangeNotFound", "admin")


def test_others_get_no_number_of_a_projects_own_range(net: NetworkClient) -> None:
    """The range leaves but two ids of its VLANs."""
    whole = {"network_type": "vlan", "physical_network": "physnet1", "project_id": net.api.project_id("other")}
    _range(net, 3, 4094, **whole)
    wish = {"provider:network_type": "vlan", "provider:physical_network": "physnet1"}
    made = [net.network("admin", **wish) for _ in range(2)]
    assert sorted(_vni(net, each) for each in made) == [1, 2]
    net.refused("POST", "/networks", {"network": wish}, 409, "NoNetworkAvailable", "admin")
    mine = net.network("admin", **wish, project_id=net.api.project_id("other"))
    assert _vni(net, mine) >= 3


def test_ranges_keep_apart_and_within_their_kind(net: NetworkClient) -> None:
    made = _range(net, 10, 20, shared=True)
    assert (made["project_id"], made["shared"]) == (None, True)
    body = {"network_segment_range": {"network_type": "vxlan", "minimum": 20, "maximum": 30}}
    net.refused("POST", "/network_segment_ranges", body, 409, "NetworkSegmentRangeOverlaps", "admin")
    for wrong in (
        {"minimum": 30, "maximum": 29}, {"minimum": 0, "maximum": 29}, {"physical_network": "physnet1"},
        {"network_type": "vlan"}, {"network_type": "vlan", "physical_network": "elsewhere"},
    ):  # fmt: skip
        assert _range(net, **{"minimum": 40, "maximum": 41, **wrong}, expect=400)
    default = net.get("/network_segment_ranges?default=True", "admin")["network_segment_ranges"]
    assert [(each["network_type"], each["physical_network"]) for each in default] == [
        ("vxlan", None), ("vlan", "physnet1"),
    ]  # fmt: skip
    path, kind = f"/network_segment_ranges/{default[0]['id']}", "NetworkSegmentRangeDefaultReadOnly"
    net.refused("DELETE", path, None, 400, kind, "admin")
    net.refused("PUT", path, {"network_segment_range": {"name": "x"}}, 400, kind, "admin")
    assert net.get("/network_segment_ranges?minimum=10&shared=true", "admin")["network_segment_ranges"] == [made]
    net.get("/network_segment_ranges", expect=403)


def test_each_network_is_a_segment_that_can_be_named(net: NetworkClient) -> None:
    made, other = net.network(), net.network()
    (segment,) = net.get(f"/segments?network_id={made['id']}", "admin")["segments"]
    assert (segment["network_type"], segment["name"], segment["revision_number"]) == ("vxlan", "", 0)
    vni = net.get(f"/networks/{made['id']}", "admin")["network"]["provider:segmentation_id"]
    assert segment["segmentation_id"] == vni
    path = f"/segments/{segment['id']}"
    named = net.put(path, {"segment": {"name": "west", "description": "behind it"}}, "admin")["segment"]
    assert (named["name"], named["description"], named["revision_number"]) == ("west", "behind it", 1)
    assert net.get(path, "admin")["segment"] == named
    assert [each["id"] for each in net.get("/segments?name=west", "admin")["segments"]] == [segment["id"]]
    assert other["id"] in [each["network_id"] for each in net.get("/segments", "admin")["segments"]]
    net.call("GET", path, "demo", 403)
    net.delete(f"/networks/{made['id']}")
    net.refused("GET", path, None, 404, "SegmentNotFound", "admin")


def test_a_node_answers_dhcp_where_it_is_told_to(net: NetworkClient, add_node: Callable[[str], str]) -> None:
    network, nodes = net.network(), [add_node("node1"), add_node("node2")]
    net.subnet(network["id"])
    ids = {each["host"]: each["id"] for each in net.get("/agents?agent_type=DHCP agent", "admin")["agents"]}
    path, body = f"/agents/{ids['node1']}/dhcp-networks", {"network_id": network["id"]}
    assert _state(net, nodes[0]).networks == []
    before = _state(net, nodes[0]).version
    net.post(path, body, "admin")
    told = _state(net, nodes[0])
    assert ([each.id for each in told.networks], told.version > before) == ([network["id"]], True)
    assert told.networks[0].subnets[0].dhcp_ip is not None
    assert [each["id"] for each in net.get(path, "admin")["networks"]] == [network["id"]]
    (agent,) = net.get(f"/networks/{network['id']}/dhcp-agents", "admin")["agents"]
    assert (agent["id"], agent["host"]) == (ids["node1"], "node1")
    net.refused("POST", path, body, 409, "NetworkHostedByDHCPAgent", "admin")
    net.refused("POST", f"/agents/{nodes[0]}/dhcp-networks", body, 409, "InvalidDHCPAgent", "admin")
    net.refused("POST", f"/agents/{new_id()}/dhcp-networks", body, 404, "AgentNotFound", "admin")
    net.delete(f"{path}/{network['id']}", "admin")
    assert _state(net, nodes[0]).networks == []
    net.refused("DELETE", f"{path}/{network['id']}", None, 409, "NetworkNotHostedByDhcpAgent", "admin")
    net.get(path, expect=403)


def test_a_dhcp_port_that_is_switched_off_answers_no_more(net: NetworkClient, add_node: Callable[[str], str]) -> None:
    network, node = net.network(), add_node("node1")
    net.subnet(network["id"])
    (agent,) = net.get("/agents?agent_type=DHCP agent", "admin")["agents"]
    net.post(f"/agents/{agent['id']}/dhcp-networks", {"network_id": network["id"]}, "admin")
    (port,) = net.get(f"/ports?network_id={network['id']}&device_owner=network:dhcp")["ports"]
    for up, status in ((False, "DOWN"), (True, "ACTIVE")):
        before = _state(net, node).version
        assert net.put(f"/ports/{port['id']}", {"port": {"admin_state_up": up}})["port"]["status"] == status
        told = _state(net, node)
        assert (told.networks[0].subnets[0].dhcp_ip is not None, told.version > before) == (up, True)
    net.refused("PUT", f"/ports/{port['id']}", {"port": {"device_id": "x"}}, 409, "ServicePortInUse")


def _flavor(net: NetworkClient, driver: str, **more: Any) -> tuple[str, str]:
    """A flavor with one profile; both ids."""
    asked = {"flavor": {"name": driver, "service_type": "L3_ROUTER_NAT", **more}}
    flavor = net.post("/flavors", asked, "admin")["flavor"]
    profile = net.post("/service_profiles", {"service_profile": {"driver": f"{_PROVIDERS}{driver}"}}, "admin")
    profile_id = profile["service_profile"]["id"]
    net.post(f"/flavors/{flavor['id']}/service_profiles", {"service_profile": {"id": profile_id}}, "admin")
    return flavor["id"], profile_id


def test_a_router_is_what_its_flavor_says(net: NetworkClient) -> None:
    flavor_id, profile_id = _flavor(net, "dvr.DvrDriver")
    (shown,) = net.get(f"/flavors?id={flavor_id}")["flavors"]
    assert (shown["service_profiles"], shown["enabled"]) == ([profile_id], True)
    made = net.post("/routers", {"router": {"name": "r", "flavor_id": flavor_id}})["router"]
    path = f"/routers/{made['id']}"
    seen = net.get(path, "admin")["router"]
    assert (made["flavor_id"], seen["distributed"], seen["ha"]) == (flavor_id, True, False)
    both = {"router": {"flavor_id": flavor_id, "distributed": True}}
    net.refused("POST", "/routers", both, 400, "InvalidInput", "admin")
    net.refused("PUT", path, {"router": {"ha": True}}, 400, "InvalidInput", "admin")
    net.refused("DELETE", f"/flavors/{flavor_id}", None, 409, "FlavorInUse", "admin")
    net.refused("DELETE", f"/service_profiles/{profile_id}", None, 409, "ServiceProfileInUse", "admin")
    again = {"service_profile": {"id": profile_id}}
    theirs = f"/flavors/{flavor_id}/service_profiles"
    net.refused("POST", theirs, again, 409, "FlavorServiceProfileBindingExists", "admin")
    net.delete(path)
    net.delete(f"{theirs}/{profile_id}", "admin")
    net.refused("DELETE", f"{theirs}/{profile_id}", None, 404, "FlavorServiceProfileBindingNotFound", "admin")
    net.delete(f"/flavors/{flavor_id}", "admin")
    net.delete(f"/service_profiles/{profile_id}", "admin")
    net.refused("GET", f"/flavors/{flavor_id}", None, 404, "FlavorNotFound")


@pytest.mark.parametrize(
    ("more", "bound", "status", "kind"),
    [
        ({"enabled": False}, True, 409, "FlavorDisabled"),
        ({"service_type": "FLAVORS"}, True, 400, "InvalidServiceType"),
        ({}, False, 409, "ServiceProfileDisabled"),
    ],
)
def test_a_router_gets_no_flavor_that_says_nothing(
    net: NetworkClient, more: dict[str, Any], bound: bool, status: int, kind: str
) -> None:
    flavor_id, profile_id = _flavor(net, "ha.HaDriver", **more)
    if not bound:
        net.put(f"/service_profiles/{profile_id}", {"service_profile": {"enabled": False}}, "admin")
    net.refused("POST", "/routers", {"router": {"flavor_id": flavor_id}}, status, kind)


def test_a_service_profile_names_a_driver_that_is_there(net: NetworkClient) -> None:
    body = {"service_profile": {"driver": "elsewhere"}}
    net.refused("POST", "/service_profiles", body, 404, "ServiceProfileDriverNotFound", "admin")
    net.refused("POST", "/service_profiles", {"service_profile": {}}, 400, "ServiceProfileEmpty", "admin")
    net.get("/service_profiles", expect=403)
    net.post("/flavors", {"flavor": {"service_type": "FLAVORS"}}, expect=403)


def test_the_flags_of_routers_are_kept_for_administrators(net: NetworkClient) -> None:
    made = net.post("/routers", {"router": {"ha": True}}, "admin")["router"]
    assert (made["ha"], made["distributed"]) == (True, False)
    changed = net.put(f"/routers/{made['id']}", {"router": {"ha": False, "distributed": True}}, "admin")["router"]
    assert (changed["ha"], changed["distributed"]) == (False, True)
    assert [each["id"] for each in net.get("/routers?distributed=true", "admin")["routers"]] == [made["id"]]
    net.get("/routers?distributed=true", expect=400)
    net.refused("POST", "/routers", {"router": {"ha": False}}, 403, "PolicyNotAuthorized")


def test_the_host_an_administrator_names_is_shown_until_the_port_is_plugged(net: NetworkClient) -> None:
    network = net.network()
    port = net.port(network["id"], "admin", **{"binding:host_id": "node7"})
    assert port["binding:host_id"] == "node7"
    path = f"/ports/{port['id']}"
    changed = net.put(path, {"port": {"binding:host_id": "node8"}}, "admin")["port"]
    assert (changed["binding:host_id"], changed["revision_number"]) == ("node8", port["revision_number"] + 1)
    assert [each["id"] for each in net.get("/ports?binding:host_id=node8", "admin")["ports"]] == [port["id"]]
    net.refused(
        "POST", "/ports", {"port": {"network_id": network["id"], "binding:host_id": "x"}}, 403, "PolicyNotAuthorized"
    )


@pytest.fixture
def outside(net: NetworkClient) -> dict[str, Any]:
    """The default external network."""
    made = net.network("admin", **{"router:external": True, "is_default": True})
    net.subnet(made["id"], "172.24.4.0/24", "admin", enable_dhcp=False, name="public")
    return made


def test_a_project_gets_one_network_ready_made(net: NetworkClient) -> None:
    path, dry = "/auto-allocated-topology/null", "/auto-allocated-topology/null?fields=dry-run"
    net.refused("GET", dry, None, 409, "AutoAllocationFailure")
    made = net.network("admin", **{"router:external": True, "is_default": True})
    net.subnet(made["id"], "172.24.4.0/24", "admin", enable_dhcp=False)
    net.refused("GET", path, None, 409, "AutoAllocationFailure")
    pool = {"name": "p", "prefixes": ["10.200.0.0/16"], "default_prefixlen": 24, "is_default": True, "shared": True}
    net.post("/subnetpools", {"subnetpool": pool}, "admin")
    assert net.get(dry)["auto_allocated_topology"]["id"] == "dry-run=pass"
    assert net.get("/networks?name=auto_allocated_network")["networks"] == []
    topology = net.get(path)["auto_allocated_topology"]
    assert topology["project_id"] == net.api.project_id("demo")
    assert net.get(path)["auto_allocated_topology"] == topology
    network = net.get(f"/networks/{topology['id']}")["network"]
    (subnet,) = net.get(f"/subnets?network_id={network['id']}")["subnets"]
    assert (network["name"], subnet["cidr"]) == ("auto_allocated_network", "10.200.0.0/24")
    (router,) = net.get("/routers")["routers"]
    assert router["external_gateway_info"]["network_id"] == made["id"]
    net.refused(
        "GET", f"/auto-allocated-topology/{net.api.project_id('other')}", None, 404, "AutoAllocatedTopologyNotFound"
    )
    port = net.port(network["id"])
    net.refused("DELETE", path, None, 409, "NetworkInUse")
    net.delete(f"/ports/{port['id']}")
    net.delete(path)
    assert (net.get("/routers")["routers"], net.get("/subnets?name=auto_allocated_subnet_v4")["subnets"]) == ([], [])
    net.refused("DELETE", path, None, 404, "AutoAllocatedTopologyNotFound")


def test_floating_ips_come_from_the_subnets_of_external_networks(net: NetworkClient, outside: dict[str, Any]) -> None:
    net.subnet(net.network()["id"])
    (pool,) = net.get("/floatingip_pools")["floatingip_pools"]
    assert (pool["network_id"], pool["cidr"], pool["subnet_name"]) == (outside["id"], "172.24.4.0/24", "public")
    assert net.get("/floatingip_pools?cidr=10.0.0.0/24")["floatingip_pools"] == []


def test_a_floating_ip_goes_by_the_router_it_is_given(net: NetworkClient, outside: dict[str, Any]) -> None:
    """The port's own network has no router at all: ways to it are the tenant's to lay."""
    network = net.network()
    net.subnet(network["id"])
    port = net.port(network["id"])
    inner, outer = (net.post("/routers", {"router": {"name": name}})["router"] for name in ("inner", "outer"))
    body = {"router": {"external_gateway_info": {"network_id": outside["id"]}}}
    net.put(f"/routers/{outer['id']}", body)
    wish = {"floating_network_id": outside["id"], "port_id": port["id"]}
    net.refused("POST", "/floatingips", {"floatingip": wish}, 404, "ExternalGatewayForFloatingIPNotFound")
    wrong = {"floatingip": {**wish, "router_id": inner["id"]}}
    net.refused("POST", "/floatingips", wrong, 409, "FloatingIPRouterWithoutGateway")
    net.refused("POST", "/floatingips", {"floatingip": {**wish, "router_id": new_id()}}, 404, "RouterNotFound")
    made = net.post("/floatingips", {"floatingip": {**wish, "router_id": outer["id"]}})["floatingip"]
    assert (made["router_id"], made["port_id"]) == (outer["id"], port["id"])
    net.refused("PUT", f"/routers/{outer['id']}", {"router": {"external_gateway_info": {}}}, 409,
                "RouterExternalGatewayInUseByFloatingIp")  # fmt: skip


def test_a_policy_is_given_to_the_only_project_that_uses_the_network(
    net: NetworkClient, outside: dict[str, Any]
) -> None:
    net.post("/routers", {"router": {"external_gateway_info": {"network_id": outside["id"]}}})
    net.put(f"/networks/{outside['id']}", {"network": {"is_default": False}}, "admin")
    (policy,) = net.get(f"/rbac-policies?object_id={outside['id']}", "admin")["rbac_policies"]
    path = f"/rbac-policies/{policy['id']}"
    other = {"rbac_policy": {"target_tenant": net.api.project_id("other")}}
    net.refused("PUT", path, other, 409, "RbacPolicyInUse", "admin")
    body = {"rbac_policy": {"target_tenant": net.api.project_id("demo")}}
    assert net.put(path, body, "admin")["rbac_policy"]["target_tenant"] == net.api.project_id("demo")


def test_a_subport_inherits_the_vlan_of_its_network(net: NetworkClient) -> None:
    wish = {"provider:network_type": "vlan", "provider:physical_network": "physnet1"}
    vlan = net.network("admin", **wish)
    parent, carried = net.port(vlan["id"], "admin"), net.port(vlan["id"], "admin")
    sub_port = {"port_id": carried["id"], "segmentation_type": "inherit"}
    made = net.post("/trunks", {"trunk": {"port_id": parent["id"], "sub_ports": [sub_port]}}, "admin")["trunk"]
    assert made["sub_ports"] == [
        {"port_id": carried["id"], "segmentation_type": "vlan", "segmentation_id": vlan["provider:segmentation_id"]}
    ]
    tunnelled = net.port(net.network("admin")["id"], "admin")
    body = {"sub_ports": [{"port_id": tunnelled["id"], "segmentation_type": "inherit"}]}
    net.refused("PUT", f"/trunks/{made['id']}/add_subports", body, 400, "InvalidInput", "admin")
