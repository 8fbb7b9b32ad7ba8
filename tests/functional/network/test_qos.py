"""QoS policies: written by administrators, bound to networks and ports, and told to the nodes of those ports."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from common.db import network_state
from common.db.models import Node, Port
from common.rpc.compute_v1 import QosSpec
from common.rpc.routers_v1 import Bandwidth, PacketRate
from tests.functional.network.conftest import NetworkClient


def policy(net: NetworkClient, **attributes: Any) -> dict[str, Any]:
    made: dict[str, Any] = net.post("/qos/policies", {"policy": {"name": "q", **attributes}}, "admin")["policy"]
    return made


def limit(net: NetworkClient, policy_id: str, **attributes: Any) -> dict[str, Any]:
    body = {"bandwidth_limit_rule": {"max_kbps": 1000, **attributes}}
    path = f"/qos/policies/{policy_id}/bandwidth_limit_rules"
    made: dict[str, Any] = net.post(path, body, "admin")["bandwidth_limit_rule"]
    return made


def test_rules_are_made_changed_and_deleted(net: NetworkClient) -> None:
    made = policy(net)
    rules = f"/qos/policies/{made['id']}/bandwidth_limit_rules"
    rule = limit(net, made["id"])
    assert (rule["direction"], rule["max_burst_kbps"]) == ("egress", 0)
    body = {"bandwidth_limit_rule": {"max_kbps": 5}}
    net.refused("POST", rules, body, 409, "QoSRulesConflict", "admin")
    limit(net, made["id"], direction="ingress")
    back = {"bandwidth_limit_rule": {"direction": "ingress"}}
    net.refused("PUT", f"{rules}/{rule['id']}", back, 409, "QoSRulesConflict", "admin")
    assert net.put(f"{rules}/{rule['id']}", body, "admin")["bandwidth_limit_rule"]["max_kbps"] == 5
    alias = f"/qos/alias_bandwidth_limit_rules/{rule['id']}"
    assert net.get(alias, "admin")["bandwidth_limit_rule"]["max_kbps"] == 5
    mark = {"dscp_marking_rule": {"dscp_mark": 26}}
    net.post(f"/qos/policies/{made['id']}/dscp_marking_rules", mark, "admin")
    wrong = {"dscp_marking_rule": {"dscp_mark": 27}}
    net.post(f"/qos/policies/{made['id']}/dscp_marking_rules", wrong, "admin", 400)
    shown = net.get(f"/qos/policies/{made['id']}", "admin")["policy"]
    assert sorted(each["type"] for each in shown["rules"]) == ["bandwidth_limit", "bandwidth_limit", "dscp_marking"]
    net.delete(alias, "admin")
    net.refused("GET", f"{rules}/{rule['id']}", None, 404, "QosRuleNotFound", "admin")
    assert len(net.get(rules, "admin")["bandwidth_limit_rules"]) == 1


def test_only_administrators_write_policies(net: NetworkClient) -> None:
    net.refused("POST", "/qos/policies", {"policy": {"name": "q"}}, 403, "PolicyNotAuthorized")
    private, shared = policy(net), policy(net, shared=True)
    change = {"policy": {"name": "x"}}
    net.refused("PUT", f"/qos/policies/{private['id']}", change, 404, "QosPolicyNotFound")
    net.refused("PUT", f"/qos/policies/{shared['id']}", change, 403, "PolicyNotAuthorized")
    body = {"bandwidth_limit_rule": {"max_kbps": 5}}
    net.refused("POST", f"/qos/policies/{shared['id']}/bandwidth_limit_rules", body, 403, "PolicyNotAuthorized")
    assert [each["id"] for each in net.get("/qos/policies")["policies"]] == [shared["id"]]


def test_a_policy_in_use_stays(net: NetworkClient) -> None:
    made = policy(net, shared=True)
    network = net.network(qos_policy_id=made["id"])
    port = net.port(network["id"])
    assert (port["qos_policy_id"], port["qos_network_policy_id"]) == (None, made["id"])
    net.refused("DELETE", f"/qos/policies/{made['id']}", None, 409, "QosPolicyInUse", "admin")
    net.put(f"/networks/{network['id']}", {"network": {"qos_policy_id": None}})
    net.put(f"/ports/{port['id']}", {"port": {"qos_policy_id": made["id"]}})
    assert [each["id"] for each in net.get(f"/ports?qos_policy_id={made['id']}")["ports"]] == [port["id"]]
    net.refused("DELETE", f"/qos/policies/{made['id']}", None, 409, "QosPolicyInUse", "admin")
    net.put(f"/ports/{port['id']}", {"port": {"qos_policy_id": None}})
    net.delete(f"/qos/policies/{made['id']}", "admin")


def test_a_tenant_can_not_shake_off_what_an_administrator_bound_it_by(net: NetworkClient) -> None:
    hidden, network = policy(net), net.network()
    net.refused(
        "PUT", f"/networks/{network['id']}", {"network": {"qos_policy_id": hidden["id"]}}, 404, "QosPolicyNotFound"
    )
    net.put(f"/networks/{network['id']}", {"network": {"qos_policy_id": hidden["id"]}}, "admin")
    change = {"network": {"qos_policy_id": None}}
    net.refused("PUT", f"/networks/{network['id']}", change, 403, "PolicyNotAuthorized")


def test_a_projects_default_policy_binds_its_new_networks(net: NetworkClient) -> None:
    project = net.api.project_id("demo")
    made = policy(net, is_default=True, project_id=project)
    assert net.network()["qos_policy_id"] == made["id"]
    body = {"policy": {"name": "z", "is_default": True, "project_id": project}}
    net.refused("POST", "/qos/policies", body, 409, "QoSPolicyDefaultAlreadyExists", "admin")


def test_rule_types_are_those_that_nodes_enforce(net: NetworkClient) -> None:
    found = net.get("/qos/rule-types")["rule_types"]
    assert [each["type"] for each in found] == [
        "bandwidth_limit", "dscp_marking", "packet_rate_limit", "minimum_bandwidth", "minimum_packet_rate",
    ]  # fmt: skip
    details = net.get("/qos/rule-types/dscp_marking", "admin")["rule_type"]
    assert details["drivers"][0]["supported_parameters"][0]["parameter_name"] == "dscp_mark"
    net.refused("GET", "/qos/rule-types/maximum_delay", None, 404, "QosRuleTypeNotFound", "admin")
    details = net.get("/qos/rule-types/packet_rate_limit", "admin")["rule_type"]["drivers"][0]["supported_parameters"]
    assert [each["parameter_name"] for each in details] == ["max_kpps", "max_burst_kpps", "direction"]


@pytest.mark.parametrize("on", ["network", "port"])
def test_the_node_of_a_port_is_told(net: NetworkClient, add_node: Callable[[str], str], on: str) -> None:
    node_id, made, network = add_node("n1"), policy(net, shared=True), net.network()
    port = net.port(network["id"])
    bind(net, port["id"], node_id)
    bound = {"network": f"/networks/{network['id']}", "port": f"/ports/{port['id']}"}[on]
    net.put(bound, {on: {"qos_policy_id": made["id"]}})
    before = wanted(net, node_id)
    limit(net, made["id"], max_kbps=2000, max_burst_kbps=300)
    assert wanted(net, node_id) > before
    net.post(f"/qos/policies/{made['id']}/dscp_marking_rules", {"dscp_marking_rule": {"dscp_mark": 26}}, "admin")
    rates = f"/qos/policies/{made['id']}/packet_rate_limit_rules"
    rule = net.post(rates, {"packet_rate_limit_rule": {"max_kpps": 3}}, "admin")["packet_rate_limit_rule"]
    assert (rule["direction"], rule["max_burst_kpps"]) == ("egress", 0)
    both = {"direction": "ingress", "max_burst_kpps": 2}
    net.put(f"{rates}/{rule['id']}", {"packet_rate_limit_rule": both}, "admin")
    with net.api.services.db.read() as session:
        (spec,) = network_state.for_node(session, node_id).ports
    assert spec.qos == QosSpec(
        egress=Bandwidth(kbit_per_s=2000, burst_kbit=300), dscp_mark=26,
        ingress_packets=PacketRate(packets_per_s=3000, burst_packets=2000),
    )  # fmt: skip
    net.put(f"{rates}/{rule['id']}", {"packet_rate_limit_rule": {"max_kpps": 0}}, "admin")
    with net.api.services.db.read() as session:
        (spec,) = network_state.for_node(session, node_id).ports
    assert spec.qos is not None
    assert spec.qos.ingress_packets is None  # 0 limits nothing


def bind(net: NetworkClient, port_id: str, node_id: str) -> None:
    bound = sa.update(Port).where(Port.id == port_id).values(binding_node_id=node_id)
    net.api.services.db.run(lambda session: session.execute(bound))


def wanted(net: NetworkClient, node_id: str) -> int:
    with net.api.services.db.read() as session:
        return session.scalars(sa.select(Node.network_wanted).where(Node.id == node_id)).one()
