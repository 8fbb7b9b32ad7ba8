"""Filters for new volumes, beside those for servers: what the volume's type asks of a node, and who may take volumes."""

from __future__ import annotations

from datetime import datetime

from common.placement.filters import Filter, Refusal
from common.placement.request import PlacementRequest
from common.placement.view import NodeView
from common.volume_capabilities import of_node, unmet


def serves_volumes(request: PlacementRequest, node: NodeView, _now: datetime) -> Refusal | None:
    """An administrator can disable or freeze a node's volume service, and leave its servers alone."""
    reason = request.closed_to_volumes.get(node.name)
    return None if reason is None else Refusal(node.name, "serves_volumes", f"its volume service is closed: {reason}")


def has_capabilities(request: PlacementRequest, node: NodeView, _now: datetime) -> Refusal | None:
    total, free = int(node.total_disk_gib), int(node.free_disk_gib)
    found = of_node(total_gib=total, reserved_gib=0, allocated_gib=total - free)
    reason = unmet(request.volume_specs, found)
    return None if reason is None else Refusal(node.name, "has_capabilities", reason)


FILTERS = (
    Filter(serves_volumes, lambda request: bool(request.closed_to_volumes)),
    Filter(has_capabilities, lambda request: bool(request.volume_specs)),
)
