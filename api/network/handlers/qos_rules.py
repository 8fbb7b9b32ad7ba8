"""The rules of QoS policies, below their policy and by the alias paths that name the rule alone, and /qos/rule-types.

Limits and marks are enforced by nodes. Minimums are promised by claims on what nodes declare (common/db/network_rates.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from api.network import listing
from api.network.operations import qos as operations
from api.network.schemas.qos import MARKS, RULE_CREATE, RULE_UPDATE
from api.network.views import qos as views
from api.policy import Rule
from api.request import ApiRequest, Reply
from api.routing import Route
from api.schema import validate
from common.db.qos import RuleKind
from common.errors import NotFound

_ANY: dict[str, Any] = {"parameter_type": "range", "parameter_values": {"start": 0, "end": 2**31 - 1}}
_DIRECTION: dict[str, Any] = {"parameter_type": "choices", "parameter_values": ["ingress", "egress"]}


@dataclass(frozen=True)
class _Kind:
    """parameter: the rule's in the path. columns: by attribute. alias: Neutron has the path for rules of this kind."""

    parameter: str
    columns: dict[str, str]
    defaults: dict[str, Any]
    details: dict[str, dict[str, Any]]
    alias: bool = True


KINDS = {
    RuleKind.BANDWIDTH: _Kind(
        "bandwidth_rule_id",
        {"max_kbps": "value", "max_burst_kbps": "burst_kbit", "direction": "direction"},
        {"direction": "egress", "max_burst_kbps": 0},
        {"max_kbps": _ANY, "max_burst_kbps": _ANY, "direction": _DIRECTION},
    ),
    RuleKind.DSCP: _Kind(
        "dscp_rule_id",
        {"dscp_mark": "value"},
        {},
        {"dscp_mark": {"parameter_type": "choices", "parameter_values": MARKS}},
    ),
    RuleKind.PACKET_RATE: _Kind(
        "packet_rate_rule_id",
        {"max_kpps": "value", "max_burst_kpps": "burst_kbit", "direction": "direction"},
        {"direction": "egress", "max_burst_kpps": 0},
        {"max_kpps": _ANY, "max_burst_kpps": _ANY, "direction": _DIRECTION},
        alias=False,
    ),
    RuleKind.LEAST_BANDWIDTH: _Kind(
        "minimum_bandwidth_rule_id",
        {"min_kbps": "value", "direction": "direction"},
        {"direction": "egress"},
        {"min_kbps": _ANY, "direction": _DIRECTION},
    ),
    RuleKind.LEAST_PACKET_RATE: _Kind(
        "minimum_packet_rate_rule_id",
        {"min_kpps": "value", "direction": "direction"},
        {"direction": "egress"},
        {
            "min_kpps": _ANY,
            "direction": {"parameter_type": "choices", "parameter_values": ["ingress", "egress", "any"]},
        },
    ),
}


def rule_types(request: ApiRequest) -> Reply:
    asked = listing.parse(request, {"type", "all_supported", "all_rules"})
    types = [kind.value for kind in RuleKind if kind.value in asked.filters.get("type", list(RuleKind))]
    return Reply({"rule_types": [listing.prune({"type": kind}, asked.fields) for kind in types]})


def rule_type(request: ApiRequest, rule_type_name: str) -> Reply:
    for kind, facts in KINDS.items():
        if kind == rule_type_name:
            parameters = [{"parameter_name": name, **values} for name, values in facts.details.items()]
            drivers = [{"name": "cumulet", "supported_parameters": parameters}]
            return listing.single(request, "rule_type", {"type": kind.value, "drivers": drivers})
    raise NotFound(f"Rule type {rule_type_name[:40]} could not be found.", neutron_type="QosRuleTypeNotFound")


def routes() -> list[Route]:
    return [route for kind in RuleKind for route in _rows(kind)]


def _rows(kind: RuleKind) -> list[Route]:
    path, key, name = f"/qos/policies/<policy_id>/{kind}_rules", f"network:qos_{kind}_rules", KINDS[kind].parameter
    one, alias = f"{path}/<{name}>", f"/qos/alias_{kind}_rules/<{name}>"

    def row(method: str, where: str, rule: Rule, handler: Any, verb: str) -> Route:
        return Route(method, where, None, None, None, rule, partial(handler, kind), f"{key}:{verb}")

    below = [
        row("GET", path, Rule.READER, _index, "list"),
        row("POST", path, Rule.ADMIN, _create, "create"),
        row("GET", one, Rule.READER, _show, "show"),
        row("PUT", one, Rule.MEMBER, _update, "update"),
        row("DELETE", one, Rule.MEMBER, _delete, "delete"),
    ]
    if not KINDS[kind].alias:
        return below
    return [
        *below,
        row("GET", alias, Rule.READER, _show, "alias_show"),
        row("PUT", alias, Rule.MEMBER, _update, "alias_update"),
        row("DELETE", alias, Rule.MEMBER, _delete, "alias_delete"),
    ]


def _index(kind: RuleKind, request: ApiRequest, policy_id: str) -> Reply:
    asked = listing.parse(request, {"id", *KINDS[kind].columns})
    items = [views.rule(row) for row in operations.list_rules(request, policy_id, kind)]
    chosen = [item for item in items if all(str(item[name]) in values for name, values in asked.filters.items())]
    return Reply({f"{kind}_rules": [listing.prune(item, asked.fields) for item in chosen]})


def _create(kind: RuleKind, request: ApiRequest, policy_id: str) -> Reply:
    validate(request.body, RULE_CREATE[kind])
    values = _columns(kind, {**KINDS[kind].defaults, **request.body[f"{kind}_rule"]})
    return Reply({f"{kind}_rule": views.rule(operations.create_rule(request, policy_id, kind, values))}, 201)


def _show(kind: RuleKind, request: ApiRequest, policy_id: str | None = None, **path: str) -> Reply:
    (qos_rule_id,) = path.values()
    policy_id = policy_id or operations.policy_of(request, kind, qos_rule_id)
    return Reply({f"{kind}_rule": views.rule(operations.show_rule(request, policy_id, kind, qos_rule_id))})


def _update(kind: RuleKind, request: ApiRequest, policy_id: str | None = None, **path: str) -> Reply:
    (qos_rule_id,) = path.values()
    validate(request.body, RULE_UPDATE[kind])
    policy_id = policy_id or operations.policy_of(request, kind, qos_rule_id)
    values = _columns(kind, request.body[f"{kind}_rule"])
    return Reply({f"{kind}_rule": views.rule(operations.update_rule(request, policy_id, kind, qos_rule_id, values))})


def _delete(kind: RuleKind, request: ApiRequest, policy_id: str | None = None, **path: str) -> Reply:
    (qos_rule_id,) = path.values()
    policy_id = policy_id or operations.policy_of(request, kind, qos_rule_id)
    operations.delete_rule(request, policy_id, kind, qos_rule_id)
    return Reply(status=204)


def _columns(kind: RuleKind, asked: dict[str, Any]) -> dict[str, Any]:
    """A validated rule's attributes by column."""
    columns = KINDS[kind].columns
    return {columns[name]: value if name == "direction" else int(value) for name, value in asked.items()}
