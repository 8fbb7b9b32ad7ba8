"""Filters for new volumes, beside those for servers: what the volume's type asks of a node, and who may take volumes.

And for servers with volumes that other nodes serve, or that are in a Ceph pool: who can have those.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from common.placement.filters import Filter, Refusal, fits_disk
from common.placement.request import PlacementRequest
from common.placement.view import NodeView
from common.volume_capabilities import NBD, RBD, node_gib, of_node, unmet

_UNREACHED = {
    NBD: "the server's volumes are served over NBD, and the node's [storage] nbd_cert_file is unset",
    RBD: "the server's volumes are in a Ceph pool, and rbd is not among the node's [storage] volume_backends",
}


def serves_volumes(request: PlacementRequest, node: NodeView, _now: datetime) -> Refusal | None:
    """An administrator can disable or freeze a node's volume services, and leave its servers alone."""
    if _open_backends(request, node):
        return None
    reasons = sorted({request.closed_to_volumes[_host(node, each)] for each in node.volume_backends})
    return Refusal(node.name, "serves_volumes", f"its volume service is closed: {', '.join(reasons)}")


def has_capabilities(request: PlacementRequest, node: NodeView, _now: datetime) -> Refusal | None:
    reasons = [_unmet(request, node, each) for each in _open_backends(request, node)]
    if None in reasons:
        return None
    return Refusal(node.name, "has_capabilities", "; ".join(reason for reason in reasons if reason))


def fits_volumes(request: PlacementRequest, node: NodeView, now: datetime) -> Refusal | None:
    """Room for new volumes, beside what is wanted otherwise, unless a back end keeps them elsewhere."""
    if backend_for(request, node) is not None:
        return None
    amounts = replace(request.amounts, disk_gib=request.amounts.disk_gib + request.volume_gib)
    return fits_disk(replace(request, amounts=amounts), node, now)


def reaches_volumes(request: PlacementRequest, node: NodeView, _now: datetime) -> Refusal | None:
    missing = [_UNREACHED.get(backend, backend) for backend, ids in request.reaching.items() if node.id not in ids]
    return Refusal(node.name, "reaches_volumes", "; ".join(missing)) if missing else None


def backend_for(request: PlacementRequest, node: NodeView) -> str | None:
    """The node's best back end that is open, meets the type's extra specs and has the room; None: none does."""
    for each in _open_backends(request, node):
        wanted = request.amounts.disk_gib + node_gib(each, request.volume_gib)
        if _unmet(request, node, each) is None and wanted <= node.free_disk_gib:
            return each
    return None


def unmet_by(specs: Mapping[str, str], node: NodeView, backend: str) -> str | None:
    """What a back end of the node lacks of a type's extra specs, in a sentence; None: nothing."""
    total, free = int(node.total_disk_gib), int(node.free_disk_gib)
    return unmet(specs, of_node(backend=backend, total_gib=total, reserved_gib=0, allocated_gib=total - free))


def _open_backends(request: PlacementRequest, node: NodeView) -> list[str]:
    return [each for each in node.volume_backends if _host(node, each) not in request.closed_to_volumes]


def _unmet(request: PlacementRequest, node: NodeView, backend: str) -> str | None:
    return unmet_by(request.volume_specs, node, backend)


def _host(node: NodeView, backend: str) -> str:
    return f"{node.name}@{backend}"


FILTERS = (
    Filter(serves_volumes, lambda request: bool(request.closed_to_volumes)),
    Filter(has_capabilities, lambda request: bool(request.volume_specs)),
    Filter(fits_volumes, lambda request: bool(request.volume_gib)),
    Filter(reaches_volumes, lambda request: bool(request.reaching)),
)
