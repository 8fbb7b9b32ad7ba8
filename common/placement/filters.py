"""Filters: each looks at one node for one request and says why not, or nothing. Small, pure, no database.

Those that are always asked also look at all nodes at once: a scheduler asks them of ten thousand for every server, and
wants reasons only of the few refusals that are kept with the operation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from common.db.network_rates import Place
from common.deadlines import NODE_DOWN_S
from common.guarantees import TUNNELLED
from common.hardware import fitting
from common.placement.expressions import fits
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


Check = Callable[[PlacementRequest, NodeView, datetime], Refusal | None]
Sieve = Callable[[PlacementRequest, Sequence[NodeView], datetime], list[NodeView]]


@dataclass(frozen=True)
class Filter:
    """check: why not this node. matters: False where the request asks for nothing, so that every node passes.

    sieve: the nodes that `check` says nothing against, in their order, found faster than by asking it of each.
    """

    check: Check
    matters: Callable[[PlacementRequest], bool] = lambda _request: True
    sieve: Sieve | None = None

    @property
    def name(self) -> str:
        return self.check.__name__

    def passing(self, request: PlacementRequest, nodes: Sequence[NodeView], now: datetime) -> Sequence[NodeView]:
        if not self.matters(request):
            return nodes
        if self.sieve is not None:
            return self.sieve(request, nodes, now)
        return [node for node in nodes if self.check(request, node, now) is None]


def is_up(_request: PlacementRequest, node: NodeView, now: datetime) -> Refusal | None:
    if node.forced_down:
        return Refusal(node.name, "is_up", "an administrator declared the node down")
    if node.last_heartbeat_at is None:
        return Refusal(node.name, "is_up", "the node has never reported")
    age = now - node.last_heartbeat_at
    if age > timedelta(seconds=NODE_DOWN_S):
        return Refusal(node.name, "is_up", f"no heartbeat for {age.total_seconds():.0f} s")
    return None


def all_silent(nodes: Sequence[NodeView], now: datetime) -> bool:
    """True when nodes used to report and none does any more: then it is the broker that is silent, not they."""
    heard = [each.last_heartbeat_at for each in nodes if each.last_heartbeat_at is not None and not each.forced_down]
    return bool(heard) and now - max(heard) > timedelta(seconds=NODE_DOWN_S)


def is_enabled(_request: PlacementRequest, node: NodeView, _now: datetime) -> Refusal | None:
    if node.enabled:
        return None
    return Refusal(node.name, "is_enabled", f"the node is disabled: {node.disabled_reason or 'no reason given'}")


def is_requested(request: PlacementRequest, node: NodeView, _now: datetime) -> Refusal | None:
    if request.requested_node in (None, node.name):
        return None
    return Refusal(node.name, "is_requested", f"node {request.requested_node} was asked for")


def not_tried(request: PlacementRequest, node: NodeView, _now: datetime) -> Refusal | None:
    if node.name not in request.excluded:
        return None
    return Refusal(node.name, "not_tried", "an earlier attempt on this node failed")


def in_zone(request: PlacementRequest, node: NodeView, _now: datetime) -> Refusal | None:
    if request.availability_zone in (None, node.availability_zone):
        return None
    return Refusal(
        node.name,
        "in_zone",
        f"the node is in availability zone {node.availability_zone}, not {request.availability_zone}",
    )


def has_arch(request: PlacementRequest, node: NodeView, _now: datetime) -> Refusal | None:
    if request.arch in (None, node.arch):
        return None
    return Refusal(node.name, "has_arch", f"the image needs {request.arch}, the node is {node.arch}", hopeless=True)


def has_hypervisor_type(request: PlacementRequest, node: NodeView, _now: datetime) -> Refusal | None:
    """An image for one kind of hypervisor (img_hv_type); KVM is QEMU to OpenStack."""
    wanted = (request.hypervisor_type or "").lower()
    kinds = {node.hypervisor_type.lower()} | (
        {"qemu", "kvm"} if node.hypervisor_type.lower() in ("qemu", "kvm") else set()
    )
    if not wanted or wanted in kinds:
        return None
    reason = f"the image needs the hypervisor {request.hypervisor_type}, the node has {node.hypervisor_type}"
    return Refusal(node.name, "has_hypervisor_type", reason, hopeless=True)


def in_aggregate(request: PlacementRequest, node: NodeView, _now: datetime) -> Refusal | None:
    """The flavor's specs of aggregates: each key must be said, with a value that fits, by an aggregate of the node."""
    said = node.aggregate_properties or {}
    for key, expression in request.aggregate_specs:
        values = [value for text in said.get(key, ()) for value in text.split(",")]
        if not any(fits(expression, value.strip()) for value in values):
            reason = f"the flavor wants an aggregate with {key} {expression}, the node's say {', '.join(values) or 'nothing'}"
            return Refusal(node.name, "in_aggregate", reason)
    return None


def has_traits(request: PlacementRequest, node: NodeView, _now: datetime) -> Refusal | None:
    """Traits that flavor and image require, or forbid, by name or by what they ask for."""
    held = request.traits_of.get(node.id, frozenset())
    missing = sorted(request.traits.required - held)
    unwanted = sorted(request.traits.forbidden & held)
    if not missing and not unwanted:
        return None
    reason = f"the node lacks {', '.join(missing)}" if missing else f"the node has {', '.join(unwanted)}"
    return Refusal(node.name, "has_traits", reason, hopeless=True)


def fits_cells(request: PlacementRequest, node: NodeView, _now: datetime) -> Refusal | None:
    """CPUs for itself and pages of memory, cell by cell. The claim looks again, and takes them."""
    wish, cells = request.amounts.numa, request.cells_of.get(node.id, ())
    if wish is None or fitting.fit(wish, cells) is not None:
        return None
    hopeless = fitting.fit(wish, [cell.emptied() for cell in cells]) is None
    if not wish.dedicated:
        return Refusal(node.name, "fits_cells", fitting.wanted_text(wish, cells), hopeless=hopeless)
    wanted, free = request.amounts.pcpus, sum(len(cell.free) for cell in cells)
    text = fitting.wanted_text(wish, cells)
    if wanted <= free:
        return Refusal(node.name, "fits_cells", text, hopeless=hopeless)
    return Refusal(node.name, "fits_cells", text, wanted, free, hopeless)


def on_same_node(request: PlacementRequest, node: NodeView, _now: datetime) -> Refusal | None:
    if request.same_nodes is None or node.id in request.same_nodes:
        return None
    return Refusal(node.name, "on_same_node", "none of the servers of the hint same_host is on the node")


def on_other_node(request: PlacementRequest, node: NodeView, _now: datetime) -> Refusal | None:
    if node.id not in request.other_nodes:
        return None
    return Refusal(node.name, "on_other_node", "a server of the hint different_host is on the node")


def in_affinity(request: PlacementRequest, node: NodeView, _now: datetime) -> Refusal | None:
    group = request.group
    if group is None or group.policy != "affinity" or not group.members or node.id in group.members:
        return None
    return Refusal(node.name, "in_affinity", "the server's group is on another node, and its policy is affinity")


def in_anti_affinity(request: PlacementRequest, node: NodeView, _now: datetime) -> Refusal | None:
    group = request.group
    if group is None or group.policy != "anti-affinity" or group.members.get(node.id, 0) < group.max_per_node:
        return None
    has = group.members[node.id]
    return Refusal(
        node.name, "in_anti_affinity", f"the node has {has} of the group's servers, {group.max_per_node} may be"
    )


def fits_vcpus(request: PlacementRequest, node: NodeView, _now: datetime) -> Refusal | None:
    if request.amounts.vcpus <= node.free_vcpus:
        return None
    return _too_small(node, "fits_vcpus", "vCPUs", request.amounts.vcpus, node.free_vcpus, node.total_vcpus)


def fits_memory(request: PlacementRequest, node: NodeView, _now: datetime) -> Refusal | None:
    if request.amounts.memory_mib <= node.free_memory_mib:
        return None
    return _too_small(
        node, "fits_memory", "MiB of memory", request.amounts.memory_mib, node.free_memory_mib, node.total_memory_mib
    )


def fits_disk(request: PlacementRequest, node: NodeView, _now: datetime) -> Refusal | None:
    if request.amounts.disk_gib <= node.free_disk_gib:
        return None
    return _too_small(
        node, "fits_disk", "GiB of disk", request.amounts.disk_gib, node.free_disk_gib, node.total_disk_gib
    )


def fits_rates(request: PlacementRequest, node: NodeView, _now: datetime) -> Refusal | None:
    """Bandwidth and packet rates that the QoS policies of the server's ports promise. The claim looks again."""
    wanted: Counter[Place] = Counter()
    for wish in request.amounts.rates:
        wanted[wish.rate.physical_network, wish.rate.resource] += wish.rate.amount
    stocks = request.rates_of.get(node.id, {})
    for (network, resource), amount in sorted(wanted.items()):
        stock = stocks.get((network, resource))
        where = {"": "", TUNNELLED: " for networks between nodes"}.get(network, f" on {network}")
        if stock is None or not stock.total:
            return Refusal(node.name, "fits_rates", f"the node declares no {resource}{where}", hopeless=True)
        if amount > stock.free:
            said = f"{amount} of {resource}{where} wanted, {stock.free} of {stock.total} free"
            return Refusal(node.name, "fits_rates", said, hopeless=amount > stock.total)
    return None


def _too_small(node: NodeView, name: str, unit: str, wanted: float, free: float, total: float) -> Refusal:
    return Refusal(
        node.name, name, f"{wanted:g} {unit} wanted, {max(free, 0):g} of {total:g} free", wanted, free, wanted > total
    )


def _enabled(_request: PlacementRequest, nodes: Sequence[NodeView], _now: datetime) -> list[NodeView]:
    return [node for node in nodes if node.enabled]


def _up(_request: PlacementRequest, nodes: Sequence[NodeView], now: datetime) -> list[NodeView]:
    oldest = now - timedelta(seconds=NODE_DOWN_S)
    return [
        node for node in nodes
        if not node.forced_down and node.last_heartbeat_at is not None and node.last_heartbeat_at >= oldest
    ]  # fmt: skip


def _with_vcpus(request: PlacementRequest, nodes: Sequence[NodeView], _now: datetime) -> list[NodeView]:
    wanted = request.amounts.vcpus
    return [node for node in nodes if wanted <= node.free_vcpus]


def _with_memory(request: PlacementRequest, nodes: Sequence[NodeView], _now: datetime) -> list[NodeView]:
    wanted_mib = request.amounts.memory_mib
    return [node for node in nodes if wanted_mib <= node.free_memory_mib]


def _with_disk(request: PlacementRequest, nodes: Sequence[NodeView], _now: datetime) -> list[NodeView]:
    wanted_gib = request.amounts.disk_gib
    return [node for node in nodes if wanted_gib <= node.free_disk_gib]


#: In this order: what is cheap and what says most come first.
FILTERS: tuple[Filter, ...] = (
    Filter(is_requested, lambda request: request.requested_node is not None),
    Filter(not_tried, lambda request: bool(request.excluded)),
    Filter(is_enabled, sieve=_enabled),
    Filter(is_up, sieve=_up),
    Filter(in_zone, lambda request: request.availability_zone is not None),
    Filter(in_aggregate, lambda request: bool(request.aggregate_specs)),
    Filter(has_arch, lambda request: request.arch is not None),
    Filter(has_hypervisor_type, lambda request: request.hypervisor_type is not None),
    Filter(has_traits, lambda request: bool(request.traits)),
    Filter(on_same_node, lambda request: request.same_nodes is not None),
    Filter(on_other_node, lambda request: bool(request.other_nodes)),
    Filter(in_affinity, lambda request: request.group is not None),
    Filter(in_anti_affinity, lambda request: request.group is not None),
    Filter(fits_vcpus, sieve=_with_vcpus),
    Filter(fits_memory, sieve=_with_memory),
    Filter(fits_disk, sieve=_with_disk),
    Filter(fits_rates, lambda request: bool(request.amounts.rates)),
    Filter(fits_cells, lambda request: request.amounts.numa is not None),
)


def first_refusal(
    request: PlacementRequest, node: NodeView, now: datetime, configured: Sequence[Filter] = FILTERS
) -> Refusal | None:
    """Why the first filter that the node does not pass refuses it; None for a node that passes them all."""
    refusals = (each.check(request, node, now) for each in configured if each.matters(request))
    return next((refusal for refusal in refusals if refusal is not None), None)
