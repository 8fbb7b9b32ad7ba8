"""QoS policies and rules as JSON."""

from __future__ import annotations

from typing import Any

from api.network.operations.qos import ShownPolicy
from api.network.views.sharing import owned, standard
from common.db.models import QosRule
from common.db.qos import RuleKind


def policy(shown: ShownPolicy) -> dict[str, Any]:
    row = shown.item.row
    return {
        **owned(row),
        "name": row.name,
        "description": row.description,
        "shared": shown.item.shared,
        "is_default": row.default_of is not None,
        "rules": [{**rule(each), "type": each.kind, "qos_policy_id": row.id} for each in shown.rules],
        **standard(row),
    }


def rule(row: QosRule) -> dict[str, Any]:
    if row.kind == RuleKind.DSCP:
        return {"id": row.id, "dscp_mark": row.value}
    if row.kind == RuleKind.PACKET_RATE:
        return {"id": row.id, "max_kpps": row.value, "max_burst_kpps": row.burst_kbit, "direction": row.direction}
    if row.kind == RuleKind.LEAST_BANDWIDTH:
        return {"id": row.id, "min_kbps": row.value, "direction": row.direction}
    if row.kind == RuleKind.LEAST_PACKET_RATE:
        return {"id": row.id, "min_kpps": row.value, "direction": row.direction}
    return {"id": row.id, "max_kbps": row.value, "max_burst_kbps": row.burst_kbit, "direction": row.direction}
