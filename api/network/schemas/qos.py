"""What requests for QoS policies and their rules may hold."""

from __future__ import annotations

from api.network.resource import BOOLEAN, INTEGER, PROJECT, TEXT, Resource
from api.schema import Schema, obj
from common.db.qos import RuleKind

_NAME: Schema = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[^\x00-\x1f\x7f]*\Z"}
_COMMON: dict[str, Schema] = {"name": _NAME, "description": TEXT, "shared": BOOLEAN, "is_default": BOOLEAN}

QOS_POLICY = Resource(
    singular="policy",
    plural="policies",
    schema_create=obj({**_COMMON, "project_id": PROJECT, "tenant_id": PROJECT}, ("name",)),
    schema_update=obj(_COMMON),
    server_owned=frozenset(
        {"id", "rules", "tags", "tenant_id", "project_id", "created_at", "updated_at", "revision_number"}
    ),
)
#: the code points that the field knows by name, as Neutron takes them
MARKS = [0, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32, 34, 36, 38, 40, 46, 48, 56]
_DIRECTION: Schema = {"enum": ["ingress", "egress"]}
#: what a rule of each kind says; the first is what it can't be made without
_RULES: dict[RuleKind, dict[str, Schema]] = {
    RuleKind.BANDWIDTH: {"max_kbps": INTEGER, "max_burst_kbps": INTEGER, "direction": _DIRECTION},
    RuleKind.DSCP: {"dscp_mark": {"enum": [*MARKS, *(str(mark) for mark in MARKS)]}},
    RuleKind.PACKET_RATE: {"max_kpps": INTEGER, "max_burst_kpps": INTEGER, "direction": _DIRECTION},
    RuleKind.LEAST_BANDWIDTH: {"min_kbps": INTEGER, "direction": _DIRECTION},
    RuleKind.LEAST_PACKET_RATE: {"min_kpps": INTEGER, "direction": {"enum": ["ingress", "egress", "any"]}},
}


def _create(kind: RuleKind, attributes: dict[str, Schema]) -> Schema:
    return obj({f"{kind}_rule": obj(attributes, (next(iter(attributes)),))}, (f"{kind}_rule",))


def _update(kind: RuleKind, attributes: dict[str, Schema]) -> Schema:
    return obj({f"{kind}_rule": obj(attributes)}, (f"{kind}_rule",))


RULE_CREATE = {kind: _create(kind, attributes) for kind, attributes in _RULES.items()}
RULE_UPDATE = {kind: _update(kind, attributes) for kind, attributes in _RULES.items()}
