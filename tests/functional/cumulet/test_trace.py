"""GET /servers/{id}/trace: verdicts from the tables, and what of the hops a tenant may see."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from common.db.models import Instance, Node, Port
from tests.fixtures.api import ApiClient
from tests.functional.network.conftest import NetworkClient, add_instance, add_node, net
from tests.functional.network.test_floating_ips import Town, town

__all__ = ["add_instance", "add_node", "net", "town"]


@pytest.fixture
def servers(town: Town, add_node: Callable[[str], str], add_instance: Callable[[str], str]) -> dict[str, str]:
    """demo's `a` and `b` in one network on two nodes, other's `c` in its own; ids by name."""
    nodes = {"a": add_node("node1"), "b": add_node("node2"), "c": add_node("node3")}
    theirs = town.net.network("other")
    town.net.subnet(theirs["id"], as_="other")
    ports = {
        "a": town.port, "b": town.net.port(town.network_id), "c": town.net.port(theirs["id"], "other"),
    }  # fmt: skip
    made = {name: add_instance("other" if name == "c" else "demo") for name in nodes}
    town.net.api.services.db.run(lambda session: _plug(session, nodes, ports, made))
    return made


def _plug(session: Any, nodes: dict[str, str], ports: dict[str, Any], made: dict[str, str]) -> None:
    for number, name in enumerate(nodes):
        session.get_one(Node, nodes[name]).address = f"10.99.0.{20 + number}"
        bound = session.get_one(Port, ports[name]["id"])
        bound.device_id, bound.device_owner, bound.binding_node_id = made[name], "compute:nova", nodes[name]


def asked(net: NetworkClient, server_id: str, target: str, as_: str = "demo", **query: Any) -> dict[str, Any]:
    answer = net.api.get(f"/cumulet/v1/servers/{server_id}/trace", as_, query_string={"target": target, **query})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json["trace"]
    return found


def test_neighbours_of_the_default_group_reach_each_other(town: Town, servers: dict[str, str]) -> None:
    found = asked(town.net, servers["a"], servers["b"], protocol="tcp", port=22)
    assert (found["verdict"], found["protocol"], found["port"]) == ("passes", 6, 22)
    assert not [hop for hop in found["hops"] if hop["node"] or hop["device"] or hop["detail"]], "a tenant sees nodes"
    seen = asked(town.net, servers["a"], servers["b"], "admin")
    (there, _) = [hop for hop in seen["hops"] if hop["at"] == "tunnel"]
    assert there["device"].startswith("cmlvx-")
    assert there["detail"].endswith("node2, 10.99.0.21")


def test_the_outside_is_left_for_by_the_router(town: Town, servers: dict[str, str]) -> None:
    found = asked(town.net, servers["a"], "outside")
    way = [
        hop["at"] for hop in found["hops"] if hop["at"] != "node"
    ]  # that its agent has confirmed nothing is not the point
    assert way[:5] == ["server", "server", "security_group", "tunnel", "router"]
    assert found["verdict"] == "stopped"  # nobody has the gateway's address in this external network
    assert "172.24.4.1" in found["reason"]


def test_a_floating_address_leads_to_its_server_once_a_rule_lets_it(town: Town, servers: dict[str, str]) -> None:
    address = town.float(port_id=town.port["id"])["floating_ip_address"]
    assert asked(town.net, servers["b"], address)["verdict"] == "stopped"
    (group,) = town.net.get("/security-groups?name=default")["security_groups"]
    rule = {"security_group_id": group["id"], "direction": "ingress", "protocol": "icmp"}
    town.net.post("/security-group-rules", {"security_group_rule": rule})
    found = asked(town.net, servers["b"], address)
    assert found["verdict"] == "passes"
    assert [hop["at"] for hop in found["hops"] if hop["at"] == "nat"]


def test_of_anothers_things_the_rules_are_not_told(town: Town, servers: dict[str, str]) -> None:
    group = town.net.get("/security-groups?name=default", "demo")["security_groups"][0]["id"]
    seen = town.net.api.get(f"/cumulet/v1/servers/{servers['c']}/trace", "demo", query_string={"target": "10.0.0.1"})
    assert seen.status_code == 404
    address = town.float(port_id=town.port["id"])["floating_ip_address"]
    subnets = town.net.get("/subnets", "other")["subnets"]
    way = {"router": {"name": "r", "external_gateway_info": {"network_id": town.outside_id}}}
    router_id = town.net.post("/routers", way, "other")["router"]["id"]
    own = next(each for each in subnets if each["name"] == "" and each["project_id"] != town.port["project_id"])
    town.net.put(f"/routers/{router_id}/add_router_interface", {"subnet_id": own["id"]}, "other")
    found = asked(town.net, servers["c"], address, "other")
    assert found["verdict"] == "stopped"
    assert found["reason"] == "is another project's, and not shown"
    assert group not in str(found)
    assert town.port["id"] not in str(found)
    assert "default" not in str(found["hops"][-1])
    assert group in str(asked(town.net, servers["c"], address, "admin"))


def test_a_server_that_does_not_run_answers_nobody(town: Town, servers: dict[str, str]) -> None:
    town.net.api.services.db.run(
        lambda session: setattr(session.get_one(Instance, servers["b"]), "vm_state", "stopped")
    )
    assert "it is stopped" in asked(town.net, servers["a"], servers["b"])["reason"]


@pytest.mark.parametrize(
    "query",
    [
        {"target": "nonsense"}, {"target": "fe80::1%eth0"}, {"target": "10.0.0.1", "protocol": "x"},
        {"target": "10.0.0.1", "protocol": "tcp"}, {"target": "10.0.0.1", "port": "22"},
        {"target": "10.0.0.1", "protocol": "tcp", "port": "70000"}, {"target": "10.0.0.1", "protocol": "udp", "port": "-1"},
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_a_400(
    town: Town, servers: dict[str, str], query: dict[str, str], api_client: ApiClient
) -> None:
    answer = api_client.get(f"/cumulet/v1/servers/{servers['a']}/trace", "demo", query_string=query)
    assert answer.status_code == 400, answer.text


def test_a_subport_is_its_parents_servers_and_its_tag_is_told(town: Town, servers: dict[str, str]) -> None:
    net, tags = town.net, {"a": 10, "b": 20}
    tagged = net.network()
    net.subnet(tagged["id"], "10.77.0.0/24")
    parents = {name: net.port(town.network_id)["id"] for name in tags}
    subports = {name: net.port(tagged["id"]) for name in tags}
    for name, tag in tags.items():
        carried = {"port_id": subports[name]["id"], "segmentation_type": "vlan", "segmentation_id": tag}
        net.post("/trunks", {"trunk": {"port_id": parents[name], "sub_ports": [carried]}})

    def plug(session: Any) -> None:
        """Onto nodes that can't tag."""
        for name in tags:
            on = session.scalars(sa.select(Port.binding_node_id).where(Port.device_id == servers[name])).first()
            parent, carried = session.get_one(Port, parents[name]), session.get_one(Port, subports[name]["id"])
            parent.device_id, parent.device_owner, parent.binding_node_id = servers[name], "compute:nova", on
            carried.binding_node_id, carried.status = on, "DOWN"

    def up(session: Any) -> None:
        for each in subports.values():
            session.get_one(Port, each["id"]).status = "ACTIVE"

    target = subports["b"]["fixed_ips"][0]["ip_address"]
    net.api.services.db.run(plug)
    stopped = asked(net, servers["a"], target)
    assert (stopped["verdict"], "no device for the subport's VLAN" in stopped["reason"]) == ("stopped", True)
    net.api.services.db.run(up)
    found = asked(net, servers["a"], target)
    assert found["verdict"] == "passes", found["reason"]
    said = [hop["what"] for hop in found["hops"] if hop["at"] == "server"]
    assert said[0].endswith(f"tagged with VLAN 10 on port {parents['a']}")
    assert any(each.endswith(f"tagged with VLAN 20 on port {parents['b']}") for each in said)
