"""Ports follow their servers, and a change of rules reaches the nodes it concerns: those, at once, and right."""

from __future__ import annotations

from typing import Any

from common.rpc.compute_v1 import FilterRule, PortSpec, SyncNetwork
from compute_agent.networking import store
from tests.fixtures.cloud import COMPUTE, NETWORK, Cloud, CloudNode


def ports_on(node: CloudNode) -> dict[str, PortSpec]:
    return {port.id: port for port in store.load(node.state_dir / "networking.json").state.ports}


def port_of(cloud: Cloud, server_id: str) -> dict[str, Any]:
    found = cloud.ok(cloud.api.get(f"{NETWORK}/ports", "admin", query_string={"device_id": server_id}))["ports"]
    assert len(found) == 1
    port: dict[str, Any] = found[0]
    return port


def new_group(cloud: Cloud, name: str) -> str:
    body = {"security_group": {"name": name}}
    return str(cloud.ok(cloud.api.post(f"{NETWORK}/security-groups", json=body))["security_group"]["id"])


def add_rule(cloud: Cloud, group_id: str, **rule: Any) -> str:
    body = {"security_group_rule": {"security_group_id": group_id, "direction": "ingress", **rule}}
    return str(cloud.ok(cloud.api.post(f"{NETWORK}/security-group-rules", json=body))["security_group_rule"]["id"])


def synced(cloud: Cloud, since: int) -> set[str]:
    """Nodes that were sent a state after the first `since` letters."""
    return {
        letter.node for letter in cloud.bus.sent[since:] if letter.node and isinstance(letter.command(), SyncNetwork)
    }


def test_a_port_is_bound_active_and_given_back(cloud: Cloud) -> None:
    server_id = cloud.create()
    assert port_of(cloud, server_id)["binding:host_id"] == ""
    cloud.run_until_idle()
    port, row = port_of(cloud, server_id), cloud.row(server_id)
    assert (port["status"], port["binding:host_id"]) == ("ACTIVE", row.node_name)
    assert port["id"] in ports_on(cloud.node_of(server_id))
    node = cloud.node_of(server_id)
    cloud.delete(server_id)
    cloud.run_until_idle()
    assert cloud.api.get(f"{NETWORK}/ports/{port['id']}", "admin").status_code == 404
    assert ports_on(node) == {}


def test_a_port_that_was_brought_outlives_its_server(cloud: Cloud) -> None:
    body = {"port": {"network_id": cloud.network_id, "name": "mine"}}
    port = cloud.ok(cloud.api.post(f"{NETWORK}/ports", json=body))["port"]
    server_id = cloud.active(networks=[{"port": port["id"]}])
    assert cloud.show(server_id)["addresses"]["shared"][0]["addr"] == port["fixed_ips"][0]["ip_address"]
    cloud.delete(server_id)
    cloud.run_until_idle()
    kept = cloud.ok(cloud.api.get(f"{NETWORK}/ports/{port['id']}"))["port"]
    assert (kept["device_id"], kept["status"], kept["fixed_ips"]) == ("", "DOWN", port["fixed_ips"])
    again = cloud.active(networks=[{"port": port["id"]}])
    assert cloud.row(again).node_name


def test_a_failed_creation_unbinds(cloud: Cloud) -> None:
    for node in cloud.nodes.values():
        node.fault(ensure_running={"code": "hypervisor_error"})
    server_id = cloud.create()
    cloud.run_until_idle()
    assert port_of(cloud, server_id)["binding:host_id"] == ""
    assert all(ports_on(node) == {} for node in cloud.nodes.values())


def test_a_new_rule_reaches_the_nodes_of_its_members_only(cloud: Cloud) -> None:
    web = new_group(cloud, "web")
    member, stranger = cloud.active(security_groups=[{"name": "web"}]), cloud.active()
    assert cloud.row(member).node_name != cloud.row(stranger).node_name
    since = len(cloud.bus.sent)
    rule_id = add_rule(cloud, web, protocol="tcp", port_range_min=80, port_range_max=80, remote_ip_prefix="10.0.0.0/8")
    cloud.run_until_idle()
    assert synced(cloud, since) == {cloud.row(member).node_name}
    wanted = FilterRule(
        direction="ingress", ethertype="IPv4", protocol="tcp", port_min=80, port_max=80, remote_cidr="10.0.0.0/8"
    )
    port_id = port_of(cloud, member)["id"]
    assert wanted in ports_on(cloud.node_of(member))[port_id].rules
    since = len(cloud.bus.sent)
    cloud.ok(cloud.api.delete(f"{NETWORK}/security-group-rules/{rule_id}"))
    cloud.run_until_idle()
    assert synced(cloud, since) == {cloud.row(member).node_name}
    assert wanted not in ports_on(cloud.node_of(member))[port_id].rules


def test_a_new_member_reaches_the_nodes_whose_rules_name_the_group(cloud: Cloud) -> None:
    front, back = new_group(cloud, "front"), new_group(cloud, "back")
    add_rule(cloud, back, protocol="tcp", remote_group_id=front)
    database = cloud.active(security_groups=[{"name": "back"}])
    web = cloud.active(security_groups=[{"name": "front"}])
    address = cloud.show(web)["addresses"]["shared"][0]["addr"]
    state = store.load(cloud.node_of(database).state_dir / "networking.json").state
    assert {group.id: group.addresses for group in state.groups}[front] == [address]
    cloud.delete(web)
    cloud.run_until_idle()
    state = store.load(cloud.node_of(database).state_dir / "networking.json").state
    assert {group.id: group.addresses for group in state.groups}.get(front, []) == []


def test_groups_of_a_running_server_can_be_changed(cloud: Cloud) -> None:
    web = new_group(cloud, "web")
    add_rule(cloud, web, protocol="tcp", port_range_min=443, port_range_max=443)
    server_id = cloud.active()
    cloud.do(server_id, "addSecurityGroup", {"name": "web"})
    port_id = port_of(cloud, server_id)["id"]
    assert 443 in {rule.port_min for rule in ports_on(cloud.node_of(server_id))[port_id].rules}
    cloud.do(server_id, "removeSecurityGroup", {"name": "web"})
    assert 443 not in {rule.port_min for rule in ports_on(cloud.node_of(server_id))[port_id].rules}


def test_a_node_that_comes_back_gets_what_it_missed(cloud: Cloud) -> None:
    web = new_group(cloud, "web")
    server_id = cloud.active(security_groups=[{"name": "web"}])
    node = cloud.node_of(server_id)
    node.die()
    add_rule(cloud, web, protocol="tcp", port_range_min=22, port_range_max=22)
    cloud.run_for(90)
    node.revive()
    cloud.run_for(12)
    cloud.run_until_idle()
    assert 22 in {rule.port_min for rule in ports_on(node)[port_of(cloud, server_id)["id"]].rules}


def test_an_older_state_changes_nothing(cloud: Cloud) -> None:
    web = new_group(cloud, "web")
    server_id = cloud.active(security_groups=[{"name": "web"}])
    node = cloud.node_of(server_id)
    old = [
        letter for letter in cloud.bus.sent if letter.node == node.name and isinstance(letter.command(), SyncNetwork)
    ]
    add_rule(cloud, web, protocol="udp", port_range_min=53, port_range_max=53)
    cloud.run_until_idle()
    before = ports_on(node)
    cloud.bus.waiting += [*old, *old]
    cloud.run_until_idle()
    assert ports_on(node) == before


def test_the_address_of_a_deleted_server_is_free_again(cloud: Cloud) -> None:
    for _ in range(3):
        server_id = cloud.active()
        assert cloud.show(server_id)["addresses"]["shared"]
        cloud.delete(server_id)
        cloud.run_until_idle()
    assert cloud.ok(cloud.api.get(f"{COMPUTE}/servers"))["servers"] == []
