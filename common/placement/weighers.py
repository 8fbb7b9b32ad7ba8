"""Weighers: each says how good one node is for one request, from 0 to 1. Small, pure, no database.

Configuration lists them with multipliers; a negative one turns its weigher round (free_memory=-1 packs servers on few
nodes where free_memory=1 spreads them).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from common.placement.request import PlacementRequest
from common.placement.view import NodeView

Weigher = Callable[[PlacementRequest, NodeView], float]


def free_memory(request: PlacementRequest, node: NodeView) -> float:
    """The share of memory that would be left."""
    if not node.total_memory_mib:
        return 0.0
    return (node.free_memory_mib - request.amounts.memory_mib) / node.total_memory_mib


def free_vcpus(request: PlacementRequest, node: NodeView) -> float:
    """The share of vCPUs that would be left."""
    return (node.free_vcpus - request.amounts.vcpus) / node.total_vcpus if node.total_vcpus else 0.0


def free_disk(request: PlacementRequest, node: NodeView) -> float:
    """The share of disk that would be left."""
    return (node.free_disk_gib - request.amounts.disk_gib) / node.total_disk_gib if node.total_disk_gib else 0.0


def soft_affinity(request: PlacementRequest, node: NodeView) -> float:
    """The share of the group's servers that are on the node, where the group's policy is soft-affinity."""
    group = request.group
    if group is None or group.policy != "soft-affinity" or not group.members:
        return 0.0
    return group.members.get(node.id, 0) / sum(group.members.values())


def soft_anti_affinity(request: PlacementRequest, node: NodeView) -> float:
    """The share of the group's servers that are elsewhere, where the group's policy is soft-anti-affinity."""
    group = request.group
    if group is None or group.policy != "soft-anti-affinity" or not group.members:
        return 0.0
    return 1 - group.members.get(node.id, 0) / sum(group.members.values())


WEIGHERS: tuple[Weigher, ...] = (free_memory, free_vcpus, free_disk, soft_affinity, soft_anti_affinity)

#: (weigher, multiplier): spread by memory, which counts double, and CPU; groups' wishes come before either
DEFAULT: tuple[tuple[Weigher, float], ...] = (
    (free_memory, 2.0), (free_vcpus, 1.0), (soft_affinity, 10.0), (soft_anti_affinity, 10.0),
)  # fmt: skip
_OF_GROUPS = frozenset({soft_affinity, soft_anti_affinity})


def that_matter(
    request: PlacementRequest, configured: Sequence[tuple[Weigher, float]] = DEFAULT
) -> Sequence[tuple[Weigher, float]]:
    """Of the configured weighers, those that can tell nodes apart for this request."""
    if request.group is not None:
        return configured
    return tuple((weigher, multiplier) for weigher, multiplier in configured if weigher not in _OF_GROUPS)


def weigh(request: PlacementRequest, node: NodeView, weights: Sequence[tuple[Weigher, float]]) -> float:
    """The weighted mean of weighers that matter: higher is better."""
    total = norm = 0.0
    for weigher, multiplier in weights:
        total += multiplier * weigher(request, node)
        norm += abs(multiplier)
    return total / norm if norm else 0.0
