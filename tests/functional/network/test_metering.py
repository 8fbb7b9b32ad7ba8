"""Metering labels and rules: for administrators, and told to the nodes of the routers that count by them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from common.db import network_state
from common.db.models import Node
from common.ids import new_id
from tests.functional.network.conftest import NetworkClient

LABELS, RULES = "/metering/metering-labels", "/metering/metering-label-rules"


def label(net: NetworkClient, **more: Any) -> dict[str, Any]:
    asked = {"metering_label": {"name": "l", "project_id": net.api.project_id("demo"), **more}}
    made: dict[str, Any] = net.post(LABELS, asked, "admin")["metering_label"]
    return made


def rule(net: NetworkClient, label_id: str, **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = net.post(RULES, asked(label_id, **more), "admin")["metering_label_rule"]
    return made


def asked(label_id: str, **more: Any) -> dict[str, Any]:
    return {"metering_label_rule": {"metering_label_id": label_id, "remote_ip_prefix": "10.0.1.0/24", **more}}


def test_labels_and_rules_come_and_go(net: NetworkClient) -> None:
    made = label(net)
    assert (made["shared"], made["project_id"]) == (False, net.api.project_id("demo"))
    one = rule(net, made["id"])
    assert (one["direction"], one["excluded"], one["source_ip_prefix"]) == ("ingress", False, None)
    assert net.get(f"{RULES}?metering_label_id={made['id']}", "admin")["metering_label_rules"] == [one]
    assert net.get(f"{RULES}/{one['id']}", "admin")["metering_label_rule"] == one
    net.refused(
        "POST", RULES, asked(made["id"], remote_ip_prefix="10.0.0.0/8"), 409, "MeteringLabelRuleOverlaps", "admin"
    )
    net.refused("POST", RULES, asked(new_id()), 404, "MeteringLabelNotFound", "admin")
    net.delete(f"{RULES}/{one['id']}", "admin")
    net.refused("GET", f"{RULES}/{one['id']}", None, 404, "MeteringLabelRuleNotFound", "admin")
    rule(net, made["id"])
    net.delete(f"{LABELS}/{made['id']}", "admin")
    assert (net.get(LABELS, "admin")["metering_labels"], net.get(RULES, "admin")["metering_label_rules"]) == ([], [])
    net.refused("DELETE", f"{LABELS}/{made['id']}", None, 404, "MeteringLabelNotFound", "admin")


@pytest.mark.parametrize(
    "wrong",
    [
        {"remote_ip_prefix": None}, {"source_ip_prefix": "10.0.0.0/8"}, {"remote_ip_prefix": "10.0.0.0/99"},
        {"remote_ip_prefix": None, "source_ip_prefix": "10.0.0.0/8", "destination_ip_prefix": "fd00::/8"},
    ],
)  # fmt: skip
def test_a_rule_names_what_it_counts(net: NetworkClient, wrong: dict[str, Any]) -> None:
    net.refused("POST", RULES, asked(label(net)["id"], **wrong), 400, "InvalidInput", "admin")


def test_only_administrators_meter(net: NetworkClient) -> None:
    for path in (LABELS, RULES):
        net.refused("GET", path, None, 403, "PolicyNotAuthorized")
    net.refused("POST", LABELS, {"metering_label": {"name": "l"}}, 403, "PolicyNotAuthorized")


def test_a_projects_routers_count_by_its_labels_and_by_shared_ones(
    net: NetworkClient, add_node: Callable[[str], str]
) -> None:
    node_id = add_node("gw")
    net.api.services.db.run(lambda session: setattr(session.get_one(Node, node_id), "is_gateway", True))
    network = net.network()
    subnet = net.subnet(network["id"])
    router = net.post("/routers", {"router": {"name": "r"}})["router"]
    net.put(f"/routers/{router['id']}/add_router_interface", {"subnet_id": subnet["id"]})
    mine, all_, other = (
        label(net),
        label(net, project_id=net.api.project_id("other"), shared=True),
        label(net, project_id=net.api.project_id("other")),
    )
    before = _state(net, node_id).version
    rule(net, mine["id"])
    rule(net, mine["id"], excluded=True, remote_ip_prefix="10.0.1.9/32")
    told = _state(net, node_id)
    assert told.version > before
    found = {each.id: each.rules for each in told.routers[0].metering}
    assert (set(found), other["id"] in found) == ({mine["id"], all_["id"]}, False)
    assert [(each.excluded, each.remote) for each in found[mine["id"]]] == [
        (True, "10.0.1.9/32"),
        (False, "10.0.1.0/24"),
    ]
    net.delete(f"{LABELS}/{mine['id']}", "admin")
    assert [each.id for each in _state(net, node_id).routers[0].metering] == [all_["id"]]


def _state(net: NetworkClient, node_id: str) -> Any:
    with net.api.services.db.read() as session:
        return network_state.for_node(session, node_id)
