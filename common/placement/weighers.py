"""Weighers: each says how good nodes are for a request, from 0 to 1 each. Small, pure, no database.

They look at all nodes at once, because a scheduler asks them of ten thousand for every server.

Configuration lists them with multipliers; a negative one turns its weigher round (free_memory=-1 packs servers on few
nodes where free_memory=1 spreads them).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from common.placement.request import Group, PlacementRequest
from common.placement.view import NodeView

Weigher = Callable[[PlacementRequest, Sequence[NodeView]], list[float]]


def free_memory(request: PlacementRequest, nodes: Sequence[NodeView]) -> list[float]:
    """The share of memory that would be left."""
    wanted = request.amounts.memory_mib
    return [(node.free_memory_mib - wanted) / node.total_memory_mib if node.total_memory_mib else 0.0 for node in nodes]


def free_vcpus(request: PlacementRequest, nodes: Sequence[NodeView]) -> list[float]:
    """The share of vCPUs that would be left."""
    wanted = request.amounts.vcpus
    return [(node.free_vcpus - wanted) / node.total_vcpus if node.total_vcpus else 0.0 for node in nodes]


def free_disk(request: PlacementRequest, nodes: Sequence[NodeView]) -> list[float]:
    """The share of disk that would be left."""
    wanted = request.amounts.disk_gib
    return [(node.free_disk_gib - wanted) / node.total_disk_gib if node.total_disk_gib else 0.0 for node in nodes]


def soft_affinity(request: PlacementRequest, nodes: Sequence[NodeView]) -> list[float]:
    """The share of the group's servers that are on the node, where the group's policy is soft-affinity."""
    group = request.group
    if group is None or group.policy != "soft-affinity" or not group.members:
        return [0.0] * len(nodes)
    return _shares(group, nodes)


def soft_anti_affinity(request: PlacementRequest, nodes: Sequence[NodeView]) -> list[float]:
    """The share of the group's servers that are elsewhere, where the group's policy is soft-anti-affinity."""
    group = request.group
    if group is None or group.policy != "soft-anti-affinity" or not group.members:
        return [0.0] * len(nodes)
    return [1 - share for share in _shares(group, nodes)]


def failed_builds(_request: PlacementRequest, nodes: Sequence[NodeView]) -> list[float]:
    """1 for a node whose last build succeeded, less with every one that has failed since."""
    return [1 / (1 + node.failed_builds) for node in nodes]


def io_ops(request: PlacementRequest, nodes: Sequence[NodeView]) -> list[float]:
    """1 for a node on which nothing is built, copied or moved now, less with every server that is being worked on."""
    return [1 / (1 + request.in_flight.get(node.id, 0)) for node in nodes]


def _shares(group: Group, nodes: Sequence[NodeView]) -> list[float]:
    in_all = sum(group.members.values())
    return [group.members.get(node.id, 0) / in_all for node in nodes]


WEIGHERS: tuple[Weigher, ...] = (
    free_memory, free_vcpus, free_disk, soft_affinity, soft_anti_affinity, failed_builds, io_ops,
)  # fmt: skip

#: (weigher, multiplier): spread by memory, which counts double, and CPU; groups' wishes come before either, and a node
#: on which builds fail after all others
DEFAULT: tuple[tuple[Weigher, float], ...] = (
    (free_memory, 2.0), (free_vcpus, 1.0), (soft_affinity, 10.0), (soft_anti_affinity, 10.0), (failed_builds, 100.0),
)  # fmt: skip
_OF_GROUPS = frozenset({soft_affinity, soft_anti_affinity})


def weigh(
    request: PlacementRequest, nodes: Sequence[NodeView], configured: Sequence[tuple[Weigher, float]] = DEFAULT
) -> list[float]:
    """For each node the weighted mean of the weighers that can tell nodes apart for this request: higher is better."""
    weights = [each for each in configured if request.group is not None or each[0] not in _OF_GROUPS]
    if not any(node.failed_builds for node in nodes):
        weights = [each for each in weights if each[0] is not failed_builds]
    norm = sum(abs(multiplier) for _, multiplier in weights)
    totals = [0.0] * len(nodes)
    for weigher, multiplier in weights:
        share = multiplier / norm if norm else 0.0
        totals = [total + share * value for total, value in zip(totals, weigher(request, nodes), strict=True)]
    return totals
