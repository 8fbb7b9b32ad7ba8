"""Ports through the API: addresses, groups, policy, and what nodes are told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from common.db import network_state, ports
from common.ids import new_id
from tests.functional.network.conftest import NetworkClient


def test_a_port_gets_mac_address_and_default_group(net: NetworkClient) -> None:
    network = net.network()
    subnet = net.subnet(network["id"])
    made = net.port(network["id"], name="p")
    assert made["mac_address"].startswith("fa:16:3e:")
    assert [item["subnet_id"] for item in made["fixed_ips"]] == [subnet["id"]]
    (group,) = net.get("/security-groups")["security_groups"]
    assert made["security_groups"] == [group["id"]]
    assert (made["status"], made["device_owner"], made["port_security_enabled"]) == ("DOWN", "", True)
    assert "binding:host_id" not in made
    shown = net.get(f"/ports/{made['id']}", "admin")["port"]
    assert (shown["binding:host_id"], shown["binding:vif_type"]) == ("", "unbound")
    net.delete(f"/ports/{made['id']}")
    assert net.refused("GET", f"/ports/{made['id']}", None, 404, "PortNotFound").startswith(f"Port {made['id']}")


def test_dual_stack_and_slaac(net: NetworkClient) -> None:
    network = net.network()
    net.subnet(network["id"])
    auto = net.subnet(network["id"], "2001:db8::/64", ipv6_ra_mode="slaac", ipv6_address_mode="slaac")
    made = net.port(network["id"], mac_address="FA-16-3E-00-00-01")
    assert made["mac_address"] == "fa:16:3e:00:00:01"
    by_subnet = {item["subnet_id"]: item["ip_address"] for item in made["fixed_ips"]}
    assert len(by_subnet) == 2
    assert by_subnet[auto["id"]] == "2001:db8::f816:3eff:fe00:1"
    body = {"port": {"network_id": network["id"], "fixed_ips": [{"ip_address": "2001:db8::7"}]}}
    net.refused("POST", "/ports", body, 400, "AllocationOnAutoAddressSubnet")


def test_requested_addresses(net: NetworkClient) -> None:
    network = net.network()
    subnet = net.subnet(network["id"])
    wish = {"subnet_id": subnet["id"], "ip_address": "10.0.0.77"}
    made = net.port(network["id"], fixed_ips=[wish])
    assert made["fixed_ips"] == [wish]
    body: dict[str, Any] = {"port": {"network_id": network["id"], "fixed_ips": [wish]}}
    net.refused("POST", "/ports", body, 409, "IpAddressAlreadyAllocated")
    net.refused("PUT", f"/ports/{made['id']}", {"port": {"fixed_ips": [wish, wish]}}, 400, "InvalidInput")
    for address, kind in (("10.0.0.255", "InvalidIpForSubnet"), ("10.0.9.9", "InvalidIpForNetwork")):
        body["port"]["fixed_ips"] = [{"ip_address": address}]
        net.refused("POST", "/ports", body, 400, kind)
    elsewhere = net.subnet(net.network()["id"])
    body["port"]["fixed_ips"] = [{"subnet_id": elsewhere["id"]}]
    net.refused("POST", "/ports", body, 400, "InvalidInput")
    assert net.port(network["id"], fixed_ips=[])["fixed_ips"] == []
    changed = net.put(f"/ports/{made['id']}", {"port": {"fixed_ips": [wish, {"ip_address": "10.0.0.78"}]}})["port"]
    assert [item["ip_address"] for item in changed["fixed_ips"]] == ["10.0.0.77", "10.0.0.78"]
    net.put(f"/ports/{made['id']}", {"port": {"fixed_ips": [{"ip_address": "10.0.0.78"}]}})
    assert net.port(network["id"], fixed_ips=[wish])["fixed_ips"] == [wish]


def test_a_mac_is_used_once_per_network(net: NetworkClient) -> None:
    network = net.network()
    made = net.port(network["id"])
    body = {"port": {"network_id": network["id"], "mac_address": made["mac_address"]}}
    net.refused("POST", "/ports", body, 409, "MacAddressInUse")
    second = net.port(network["id"])
    body = {"port": {"mac_address": made["mac_address"]}}
    net.refused("PUT", f"/ports/{second['id']}", body, 409, "MacAddressInUse")
    net.port(net.network()["id"], mac_address=made["mac_address"])
    body = {"port": {"network_id": network["id"], "mac_address": "01:00:5e:00:00:01"}}
    net.refused("POST", "/ports", body, 400, "HTTPBadRequest")


@pytest.mark.parametrize(
    "asked",
    [{"mac_address": "fa:16:3e:00:00:01"}, {"port_security_enabled": False}, {"device_owner": "network:dhcp"},
     {"device_owner": "network:router_interface"}, {"fixed_ips": [{"ip_address": "10.0.0.9"}]},
     {"allowed_address_pairs": [{"ip_address": "10.0.0.9"}]}, {"binding:host_id": "node1"},
     {"binding:profile": {}}],
)  # fmt: skip
def test_what_only_the_networks_owner_may_say(net: NetworkClient, asked: dict[str, Any]) -> None:
    network = net.network("admin", shared=True)
    net.subnet(network["id"], as_="admin")
    body = {"port": {"network_id": network["id"], **asked}}
    net.refused("POST", "/ports", body, 403, "PolicyNotAuthorized")
    if "project_id" not in asked:
        port = net.port(network["id"])
        net.refused("PUT", f"/ports/{port['id']}", {"port": asked}, 403, "PolicyNotAuthorized")


@pytest.mark.parametrize("name", ["id", "status", "binding:vif_type", "created_at", "revision_number"])
def test_server_owned_attributes_are_refused(net: NetworkClient, name: str) -> None:
    port = net.port(net.network()["id"])
    net.refused("POST", "/ports", {"port": {"network_id": port["network_id"], name: "x"}}, 400, "HTTPBadRequest")
    net.refused("PUT", f"/ports/{port['id']}", {"port": {name: "x"}}, 400, "HTTPBadRequest")


def test_foreign_ids_are_unknown(net: NetworkClient, add_instance: Callable[[str], str]) -> None:
    network, group = net.network("other"), net.group("other")
    own = net.network()
    net.refused("POST", "/ports", {"port": {"network_id": network["id"]}}, 404, "NetworkNotFound")
    body: dict[str, Any] = {"port": {"network_id": own["id"], "security_groups": [group["id"]]}}
    net.refused("POST", "/ports", body, 404, "SecurityGroupNotFound")
    port = net.port(own["id"])
    net.refused(
        "PUT", f"/ports/{port['id']}", {"port": {"security_groups": [group["id"]]}}, 404, "SecurityGroupNotFound"
    )
    server = add_instance("other")
    net.refused("POST", "/ports", {"port": {"network_id": own["id"], "device_id": server}}, 404, "DeviceNotFound")
    net.refused("PUT", f"/ports/{port['id']}", {"port": {"device_id": server}}, 404, "DeviceNotFound")
    net.put(f"/ports/{port['id']}", {"port": {"device_id": add_instance("demo")}})
    theirs = net.port(network["id"], "other")
    net.refused("DELETE", f"/ports/{theirs['id']}", None, 404, "PortNotFound")


def test_groups_and_port_security(net: NetworkClient) -> None:
    network, group = net.network(), net.group()
    port = net.port(network["id"], security_groups=[group["id"]])
    assert port["security_groups"] == [group["id"]]
    body: dict[str, Any] = {"port": {"port_security_enabled": False}}
    net.refused("PUT", f"/ports/{port['id']}", body, 409, "PortSecurityPortHasSecurityGroup")
    body["port"]["security_groups"] = []
    changed = net.put(f"/ports/{port['id']}", body)["port"]
    assert (changed["security_groups"], changed["port_security_enabled"]) == ([], False)
    body = {"port": {"security_groups": [group["id"]]}}
    net.refused("PUT", f"/ports/{port['id']}", body, 400, "PortSecurityAndIPRequiredForSecurityGroups")
    net.delete(f"/security-groups/{group['id']}")
    open_network = net.network(port_security_enabled=False)
    assert net.port(open_network["id"])["security_groups"] == []


def test_address_pairs(net: NetworkClient) -> None:
    port = net.port(net.network()["id"], allowed_address_pairs=[{"ip_address": "10.0.0.9"}])
    assert port["allowed_address_pairs"] == [{"ip_address": "10.0.0.9", "mac_address": port["mac_address"]}]
    path = f"/ports/{port['id']}"
    twice = {"port": {"allowed_address_pairs": [{"ip_address": "10.0.0.9"}, {"ip_address": "10.0.0.9"}]}}
    net.refused("PUT", path, twice, 400, "DuplicateAddressPairInRequest")
    many = {"port": {"allowed_address_pairs": [{"ip_address": f"10.0.0.{n}"} for n in range(11)]}}
    net.refused("PUT", path, many, 400, "AllowedAddressPairExhausted")
    bad = {"port": {"allowed_address_pairs": [{"ip_address": "10.0.0.0/33"}]}}
    net.refused("PUT", path, bad, 400, "HTTPBadRequest")


def test_changes_of_a_bound_port_reach_its_node(
    net: NetworkClient, add_node: Callable[[str], str], add_instance: Callable[[str], str]
) -> None:
    node_id, instance_id = add_node("node1"), add_instance("demo")
    network = net.network()
    net.subnet(network["id"])
    port = net.port(network["id"], device_id=instance_id, device_owner="compute:nova")
    database, now = net.api.services.db, net.api.services.clock.now()
    database.run(lambda session: ports.bind(session, instance_id, node_id, 1, now))
    assert net.get(f"/ports/{port['id']}", "admin")["port"]["binding:host_id"] == "node1"
    assert net.get("/ports?binding:host_id=node1", "admin")["ports"][0]["id"] == port["id"]
    version = _version(net, node_id)
    group = net.group()
    for change in ({"admin_state_up": False}, {"security_groups": [group["id"]]}, {"fixed_ips": []}):
        net.put(f"/ports/{port['id']}", {"port": change})
        before, version = version, _version(net, node_id)
        assert version > before
    rule = {"security_group_rule": {"security_group_id": group["id"], "direction": "ingress", "protocol": "tcp"}}
    made = net.post("/security-group-rules", rule)["security_group_rule"]
    assert _version(net, node_id) > version
    with database.read() as session:
        (spec,) = network_state.for_node(session, node_id).ports
    assert ("ingress", "tcp") in {(item.direction, item.protocol) for item in spec.rules}
    version = _version(net, node_id)
    net.delete(f"/security-group-rules/{made['id']}")
    assert _version(net, node_id) > version
    bound = {"port": {"mac_address": "fa:16:3e:00:00:09"}}
    net.refused("PUT", f"/ports/{port['id']}", bound, 409, "PortBound")
    net.delete(f"/ports/{port['id']}")
    with database.read() as session:
        assert network_state.for_node(session, node_id).ports == []


def _version(net: NetworkClient, node_id: str) -> int:
    with net.api.services.db.read() as session:
        return network_state.for_node(session, node_id).version


def test_filters(net: NetworkClient) -> None:
    network = net.network()
    subnet = net.subnet(network["id"], enable_dhcp=False)
    first = net.port(network["id"], name="a", fixed_ips=[{"ip_address": "10.0.0.10"}], device_id="d")
    second = net.port(network["id"], name="b", fixed_ips=[{"ip_address": "10.0.0.11"}])

    def found(query: str) -> set[str]:
        return {item["id"] for item in net.get(f"/ports?{query}")["ports"]}

    assert found("name=a&name=b") == {first["id"], second["id"]}
    assert found("fixed_ips=ip_address%3D10.0.0.11") == {second["id"]}
    assert found(f"fixed_ips=subnet_id%3D{subnet['id']}&fixed_ips=ip_address%3D10.0.0.10") == {first["id"]}
    assert found("device_id=") == {second["id"]}
    assert found(f"security_groups={first['security_groups'][0]}") == {first["id"], second["id"]}
    assert found("admin_state_up=False") == set()
    assert found(f"tenant_id={net.api.project_id('other')}") == set()
    net.get("/ports?colour=blue", expect=400)
    net.get("/ports?admin_state_up=perhaps", expect=400)
    net.get("/ports?binding:host_id=node1", expect=400)


def test_lists_cost_the_same_however_long(net: NetworkClient) -> None:
    network = net.network()
    net.subnet(network["id"])
    net.port(network["id"])
    counts = []
    for _ in range(2):
        before = net.api.services.db.statements
        net.get("/ports")
        counts.append(net.api.services.db.statements - before)
        net.post("/ports", {"ports": [{"network_id": network["id"]} for _ in range(20)]})
    assert counts[0] == counts[1]


def test_quota_counts_ports(net: NetworkClient) -> None:
    project = net.api.project_id("demo")
    network = net.network()
    net.put(f"/quotas/{project}", {"quota": {"port": 1}}, "admin")
    port = net.port(network["id"])
    assert net.refused("POST", "/ports", {"port": {"network_id": network["id"]}}, 409, "OverQuota")
    net.delete(f"/ports/{port['id']}")
    net.port(network["id"])


def test_the_owner_of_a_network_sees_and_removes_ports_in_it(net: NetworkClient) -> None:
    network = net.network("admin", shared=True)
    port = net.port(network["id"])
    assert net.get(f"/ports/{port['id']}", "other", 404)
    net.delete(f"/ports/{port['id']}", "admin")
    net.refused("DELETE", f"/ports/{new_id()}", None, 404, "PortNotFound")
