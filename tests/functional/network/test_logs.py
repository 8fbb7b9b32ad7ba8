"""Logs of security groups: made by administrators, and told to the nodes of the ports that they hear of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from common.db import network_state
from common.ids import new_id
from common.rpc.compute_v1 import PortLogs, PortSpec
from tests.functional.network.conftest import NetworkClient
from tests.functional.network.test_qos import bind, wanted


def log(net: NetworkClient, **attributes: Any) -> dict[str, Any]:
    body = {"log": {"resource_type": "security_group", **attributes}}
    made: dict[str, Any] = net.post("/log/logs", body, "admin")["log"]
    return made


def test_logs_are_made_changed_and_go_with_what_they_are_of(net: NetworkClient) -> None:
    assert net.get("/log/loggable-resources", "admin") == {"loggable_resources": [{"type": "security_group"}]}
    group = net.group()
    made = log(net, name="l", resource_id=group["id"])
    assert (made["event"], made["enabled"], made["target_id"]) == ("ALL", True, None)
    changed = net.put(f"/log/logs/{made['id']}", {"log": {"enabled": False, "description": "d"}}, "admin")["log"]
    assert (changed["enabled"], changed["description"], changed["revision_number"]) == (False, "d", 1)
    net.put(f"/log/logs/{made['id']}", {"log": {"event": "DROP"}}, "admin", 400)
    assert [each["id"] for each in net.get("/log/logs?enabled=false", "admin")["logs"]] == [made["id"]]
    net.delete(f"/security-groups/{group['id']}")
    net.refused("GET", f"/log/logs/{made['id']}", None, 404, "LogResourceNotFound", "admin")
    port = net.port(net.network()["id"])
    other = log(net, target_id=port["id"])
    net.delete(f"/ports/{port['id']}")
    net.refused("DELETE", f"/log/logs/{other['id']}", None, 404, "LogResourceNotFound", "admin")


def test_what_a_log_may_not_be_of(net: NetworkClient) -> None:
    port, group = net.port(net.network()["id"]), net.group()
    base = {"resource_type": "security_group"}
    for wrong, status, kind in (
        ({"resource_id": new_id()}, 404, "SecurityGroupNotFound"),
        ({"target_id": new_id()}, 404, "PortNotFound"),
        ({"target_id": port["id"], "resource_id": group["id"]}, 409, "InvalidResourceConstraint"),
    ):
        net.refused("POST", "/log/logs", {"log": {**base, **wrong}}, status, kind, "admin")
    net.post("/log/logs", {"log": {"resource_type": "firewall_group"}}, "admin", 400)
    net.refused("POST", "/log/logs", {"log": base}, 403, "PolicyNotAuthorized")
    net.refused("GET", "/log/logs", None, 403, "PolicyNotAuthorized")


def test_the_node_of_a_port_is_told_by_which_rules_it_is_logged(
    net: NetworkClient, add_node: Callable[[str], str]
) -> None:
    node_id, network, group = add_node("n1"), net.network(), net.group()
    port = net.port(network["id"], security_groups=[group["id"], _default(net)])
    bind(net, port["id"], node_id)

    def told() -> PortSpec:
        with net.api.services.db.read() as session:
            (spec,) = network_state.for_node(session, node_id).ports
        return spec

    assert told().logs is None
    before = wanted(net, node_id)
    of_group = log(net, resource_id=group["id"], event="ACCEPT")["id"]
    of_project = log(net, project_id=net.api.project_id("demo"))["id"]
    of_port = log(net, target_id=port["id"], event="DROP")["id"]
    log(net, project_id=net.api.project_id("other"))
    log(net, resource_id=net.group()["id"])
    assert wanted(net, node_id) == before + 3
    spec = told()
    assert spec.logs == PortLogs(project_id=net.api.project_id("demo"), dropped=sorted([of_project, of_port]))
    assert {rule.logs for rule in spec.rules} == {tuple(sorted([of_group, of_project])), (of_project,)}
    net.put(f"/log/logs/{of_project}", {"log": {"enabled": False}}, "admin")
    assert {rule.logs for rule in told().rules} == {(of_group,), ()}
    net.delete(f"/log/logs/{of_port}", "admin")
    net.delete(f"/log/logs/{of_group}", "admin")
    assert told().logs is None


def _default(net: NetworkClient) -> str:
    (found,) = net.get("/security-groups?name=default")["security_groups"]
    return str(found["id"])
