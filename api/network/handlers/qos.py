"""/qos/policies with their rules, and /qos/rule-types."""

from __future__ import annotations

from functools import partial
from typing import Any

from api.network import listing
from api.network.operations import qos as operations
from api.network.resource import parse_create, parse_update
from api.network.schemas.qos import BANDWIDTH_CREATE, BANDWIDTH_UPDATE, DSCP_CREATE, DSCP_UPDATE, QOS_POLICY
from api.network.views import qos as views
from api.policy import Rule
from api.request import ApiRequest, Reply
from api.routing import Route
from api.schema import validate
from common.db.network_tags import FILTERS
from common.db.qos import RuleKind
from common.errors import NotFound

NAMES = (QOS_POLICY.singular, QOS_POLICY.plural)
#: what of a rule a node enforces, in the words of the rule types' details
PARAMETERS: dict[RuleKind, list[dict[str, Any]]] = {
    RuleKind.BANDWIDTH: [
        {"parameter_name": "max_kbps", "parameter_type": "range", "parameter_values": {"start": 0, "end": 2**31 - 1}},
        {
            "parameter_name": "max_burst_kbps",
            "parameter_type": "range",
            "parameter_values": {"start": 0, "end": 2**31 - 1},
        },
        {"parameter_name": "direction", "parameter_type": "choices", "parameter_values": ["ingress", "egress"]},
    ],
    RuleKind.DSCP: [
        {
            "parameter_name": "dscp_mark",
            "parameter_type": "choices",
            "parameter_values": [0, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32, 34, 36, 38, 40, 46, 48, 56],
        }
    ],
}


def create(request: ApiRequest) -> Reply:
    bodies, bulk = parse_create(request, QOS_POLICY)
    return listing.made(request, NAMES, [views.policy(item) for item in operations.create(request, bodies)], bulk)


def index(request: ApiRequest) -> Reply:
    asked = listing.parse(request, {*operations.COLUMNS, *FILTERS, "shared", "is_default"})
    found = operations.list_(request, asked.filters, asked.page)
    items = [views.policy(item) for item in found]
    if "is_default" in asked.filters:
        wanted = asked.filters["is_default"][-1].lower() in ("true", "1")
        items = [item for item in items if item["is_default"] is wanted]
    return listing.reply(request, asked, QOS_POLICY.plural, items)


def show(request: ApiRequest, policy_id: str) -> Reply:
    return listing.single(request, QOS_POLICY.singular, views.policy(operations.show(request, policy_id)))


def update(request: ApiRequest, policy_id: str) -> Reply:
    changed = operations.update(request, policy_id, parse_update(request, QOS_POLICY))
    return listing.single(request, QOS_POLICY.singular, views.policy(changed))


def delete(request: ApiRequest, policy_id: str) -> Reply:
    operations.delete(request, policy_id)
    return Reply(status=204)


def rule_types(request: ApiRequest) -> Reply:
    asked = listing.parse(request, {"type", "all_supported", "all_rules"})
    types = [kind.value for kind in RuleKind if kind.value in asked.filters.get("type", list(RuleKind))]
    return Reply({"rule_types": [listing.prune({"type": kind}, asked.fields) for kind in types]})


def rule_type(request: ApiRequest, rule_type_name: str) -> Reply:
    for kind, parameters in PARAMETERS.items():
        if kind == rule_type_name:
            drivers = [{"name": "cumulet", "supported_parameters": parameters}]
            return listing.single(request, "rule_type", {"type": kind.value, "drivers": drivers})
    raise NotFound(f"Rule type {rule_type_name[:40]} could not be found.", neutron_type="QosRuleTypeNotFound")


def rule_routes() -> list[Route]:
    """The rules of both kinds, below their policy and by the alias paths that name the rule alone."""
    return [*_rows(RuleKind.BANDWIDTH), *_rows(RuleKind.DSCP)]


def _rows(kind: RuleKind) -> list[Route]:
    path, key = f"/qos/policies/<policy_id>/{kind}_rules", f"network:qos_{kind}_rules"
    name = "dscp_rule_id" if kind == RuleKind.DSCP else "bandwidth_rule_id"
    one, alias = f"{path}/<{name}>", f"/qos/alias_{kind}_rules/<{name}>"

    def row(method: str, where: str, rule: Rule, handler: Any, verb: str) -> Route:
        return Route(method, where, None, None, None, rule, partial(handler, kind), f"{key}:{verb}")

    return [
        row("GET", path, Rule.READER, _index_rules, "list"),
        row("POST", path, Rule.ADMIN, _create_rule, "create"),
        row("GET", one, Rule.READER, _show_rule, "show"),
        row("PUT", one, Rule.MEMBER, _update_rule, "update"),
        row("DELETE", one, Rule.MEMBER, _delete_rule, "delete"),
        row("GET", alias, Rule.READER, _show_rule, "alias_show"),
        row("PUT", alias, Rule.MEMBER, _update_rule, "alias_update"),
        row("DELETE", alias, Rule.MEMBER, _delete_rule, "alias_delete"),
    ]


def _index_rules(kind: RuleKind, request: ApiRequest, policy_id: str) -> Reply:
    known = {"id", "dscp_mark"} if kind == RuleKind.DSCP else {"id", "max_kbps", "max_burst_kbps", "direction"}
    asked = listing.parse(request, known)
    items = [views.rule(row) for row in operations.list_rules(request, policy_id, kind)]
    chosen = [item for item in items if all(str(item[name]) in values for name, values in asked.filters.items())]
    return Reply({f"{kind}_rules": [listing.prune(item, asked.fields) for item in chosen]})


def _create_rule(kind: RuleKind, request: ApiRequest, policy_id: str) -> Reply:
    validate(request.body, DSCP_CREATE if kind == RuleKind.DSCP else BANDWIDTH_CREATE)
    asked = request.body[f"{kind}_rule"]
    defaults = {} if kind == RuleKind.DSCP else {"direction": "egress", "max_burst_kbps": 0}
    row = operations.create_rule(request, policy_id, kind, _columns({**defaults, **asked}))
    return Reply({f"{kind}_rule": views.rule(row)}, 201)


def _show_rule(kind: RuleKind, request: ApiRequest, policy_id: str | None = None, **path: str) -> Reply:
    (qos_rule_id,) = path.values()
    policy_id = policy_id or operations.policy_of(request, kind, qos_rule_id)
    return Reply({f"{kind}_rule": views.rule(operations.show_rule(request, policy_id, kind, qos_rule_id))})


def _update_rule(kind: RuleKind, request: ApiRequest, policy_id: str | None = None, **path: str) -> Reply:
    (qos_rule_id,) = path.values()
    validate(request.body, DSCP_UPDATE if kind == RuleKind.DSCP else BANDWIDTH_UPDATE)
    policy_id = policy_id or operations.policy_of(request, kind, qos_rule_id)
    values = _columns(request.body[f"{kind}_rule"])
    return Reply({f"{kind}_rule": views.rule(operations.update_rule(request, policy_id, kind, qos_rule_id, values))})


def _delete_rule(kind: RuleKind, request: ApiRequest, policy_id: str | None = None, **path: str) -> Reply:
    (qos_rule_id,) = path.values()
    policy_id = policy_id or operations.policy_of(request, kind, qos_rule_id)
    operations.delete_rule(request, policy_id, kind, qos_rule_id)
    return Reply(status=204)


def _columns(asked: dict[str, Any]) -> dict[str, Any]:
    """A validated rule's attributes by column."""
    names = {"dscp_mark": "value", "max_kbps": "value", "max_burst_kbps": "burst_kbit", "direction": "direction"}
    return {names[name]: value if name == "direction" else int(value) for name, value in asked.items()}
