"""Filters: each says which nodes a request may go to, and why not to another. Small, pure, no database.

`passing` looks at all nodes at once, because a scheduler asks it of ten thousand for every server; `refusal` is asked
only of the few that are kept with the operation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from common.deadlines import NODE_DOWN_S
from common.placement.request import PlacementRequest
from common.placement.view import NodeView


@dataclass(frozen=True)
class Refusal:
    """wanted and free are in the filter's unit (vCPUs, MiB, GiB); None where it is not about an amount.

    hopeless: waiting for others to leave would not help, the node is too small even when empty.
    """

    node: str
    filter: str
    reason: str
    wanted: float | None = None
    free: float | None = None
    hopeless: bool = False


@dataclass(frozen=True)
class Filter:
    """passing: those of the nodes that pass, in their order. refusal: why this node, which does not pass, does not.

    matters: False where every node passes because the request asks for nothing; the filter is not called at all then.
    """

    name: str
    passing: Callable[[PlacementRequest, Sequence[NodeView], datetime], list[NodeView]]
    refusal: Callable[[PlacementRequest, NodeView, datetime], Refusal]
    matters: Callable[[PlacementRequest], bool] = lambda _request: True


def _requested(request: PlacementRequest, nodes: Sequence[NodeView], _now: datetime) -> list[NodeView]:
    return [node for node in nodes if node.name == request.requested_node]


def _not_requested(request: PlacementRequest, node: NodeView, _now: datetime) -> Refusal:
    return Refusal(node.name, "is_requested", f"node {request.requested_node} was asked for")


def _untried(request: PlacementRequest, nodes: Sequence[NodeView], _now: datetime) -> list[NodeView]:
    return [node for node in nodes if node.name not in request.excluded]


def _tried(_request: PlacementRequest, node: NodeView, _now: datetime) -> Refusal:
    return Refusal(node.name, "not_tried", "an earlier attempt on this node failed")


def _enabled(_request: PlacementRequest, nodes: Sequence[NodeView], _now: datetime) -> list[NodeView]:
    return [node for node in nodes if node.enabled]


def _disabled(_request: PlacementRequest, node: NodeView, _now: datetime) -> Refusal:
    return Refusal(node.name, "is_enabled", f"the node is disabled: {node.disabled_reason or 'no reason given'}")


def _up(_request: PlacementRequest, nodes: Sequence[NodeView], now: datetime) -> list[NodeView]:
    oldest = now - timedelta(seconds=NODE_DOWN_S)
    reporting = [node for node in nodes if not node.forced_down and node.last_heartbeat_at is not None]
    return [node for node in reporting if node.last_heartbeat_at >= oldest]  # type: ignore[operator]


def _down(_request: PlacementRequest, node: NodeView, now: datetime) -> Refusal:
    if node.forced_down:
        return Refusal(node.name, "is_up", "an administrator declared the node down")
    if node.last_heartbeat_at is None:
        return Refusal(node.name, "is_up", "the node has never reported")
    return Refusal(node.name, "is_up", f"no heartbeat for {(now - node.last_heartbeat_at).total_seconds():.0f} s")


def all_silent(nodes: Sequence[NodeView], now: datetime) -> bool:
    """True when nodes used to report and none does any more: then it is the broker that is silent, not they."""
    heard = [each.last_heartbeat_at for each in nodes if each.last_heartbeat_at is not None and not each.forced_down]
    return bool(heard) and now - max(heard) > timedelta(seconds=NODE_DOWN_S)


def _in_zone(request: PlacementRequest, nodes: Sequence[NodeView], _now: datetime) -> list[NodeView]:
    return [node for node in nodes if node.availability_zone == request.availability_zone]


def _elsewhere(request: PlacementRequest, node: NodeView, _now: datetime) -> Refusal:
    there = f"the node is in availability zone {node.availability_zone}, not {request.availability_zone}"
    return Refusal(node.name, "in_zone", there)


def _same_arch(request: PlacementRequest, nodes: Sequence[NodeView], _now: datetime) -> list[NodeView]:
    return [node for node in nodes if node.arch == request.arch]


def _other_arch(request: PlacementRequest, node: NodeView, _now: datetime) -> Refusal:
    return Refusal(node.name, "has_arch", f"the image needs {request.arch}, the node is {node.arch}", hopeless=True)


def _enough_vcpus(request: PlacementRequest, nodes: Sequence[NodeView], _now: datetime) -> list[NodeView]:
    wanted = request.amounts.vcpus
    return [node for node in nodes if node.free_vcpus >= wanted]


def _few_vcpus(request: PlacementRequest, node: NodeView, _now: datetime) -> Refusal:
    return _too_small(node, "fits_vcpus", "vCPUs", request.amounts.vcpus, node.free_vcpus, node.total_vcpus)


def _enough_memory(request: PlacementRequest, nodes: Sequence[NodeView], _now: datetime) -> list[NodeView]:
    wanted = request.amounts.memory_mib
    return [node for node in nodes if node.free_memory_mib >= wanted]


def _little_memory(request: PlacementRequest, node: NodeView, _now: datetime) -> Refusal:
    return _too_small(
        node, "fits_memory", "MiB of memory", request.amounts.memory_mib, node.free_memory_mib, node.total_memory_mib
    )


def _enough_disk(request: PlacementRequest, nodes: Sequence[NodeView], _now: datetime) -> list[NodeView]:
    wanted = request.amounts.disk_gib
    return [node for node in nodes if node.free_disk_gib >= wanted]


def _little_disk(request: PlacementRequest, node: NodeView, _now: datetime) -> Refusal:
    return _too_small(
        node, "fits_disk", "GiB of disk", request.amounts.disk_gib, node.free_disk_gib, node.total_disk_gib
    )


def _too_small(node: NodeView, name: str, unit: str, wanted: float, free: float, total: float) -> Refusal:
    return Refusal(
        node.name, name, f"{wanted:g} {unit} wanted, {max(free, 0):g} of {total:g} free", wanted, free, wanted > total
    )


#: In this order: what is cheap and what says most come first.
FILTERS: tuple[Filter, ...] = (
    Filter("is_requested", _requested, _not_requested, lambda request: request.requested_node is not None),
    Filter("not_tried", _untried, _tried, lambda request: bool(request.excluded)),
    Filter("is_enabled", _enabled, _disabled),
    Filter("is_up", _up, _down),
    Filter("in_zone", _in_zone, _elsewhere, lambda request: request.availability_zone is not None),
    Filter("has_arch", _same_arch, _other_arch, lambda request: request.arch is not None),
    Filter("fits_vcpus", _enough_vcpus, _few_vcpus),
    Filter("fits_memory", _enough_memory, _little_memory),
    Filter("fits_disk", _enough_disk, _little_disk),
)


def that_matter(request: PlacementRequest) -> tuple[Filter, ...]:
    """The filters, in order, that can refuse a node for this request."""
    return tuple(each for each in FILTERS if each.matters(request))


def first_refusal(request: PlacementRequest, node: NodeView, now: datetime) -> Refusal | None:
    """Why the first filter that the node does not pass refuses it; None for a node that passes them all."""
    for each in that_matter(request):
        if not each.passing(request, [node], now):
            return each.refusal(request, node, now)
    return None
