"""Filters for new volumes, beside those for servers: what the volume's type asks of a node, and who may take volumes.

And for servers with volumes that other nodes serve: who can have those.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from common.placement.filters import Filter, Refusal
from common.placement.request import PlacementRequest
from common.placement.view import NodeView
from common.volume_capabilities import of_node, unmet


def serves_volumes(request: PlacementRequest, node: NodeView, _now: datetime) -> Refusal | None:
    """An administrator can disable or freeze a node's volume services, and leave its servers alone."""
    if _open_backends(request, node):
        return None
    reasons = sorted({request.closed_to_volumes[_host(node, each)] for each in node.volume_backends})
    return Refusal(node.name, "serves_volumes", f"its volume service is closed: {', '.join(reasons)}")


def has_capabilities(request: PlacementRequest, node: NodeView, _now: datetime) -> Refusal | None:
    if backend_for(request, node) is not None:
        return None
    reasons = [_unmet(request, node, each) or "" for each in _open_backends(request, node)]
    return Refusal(node.name, "has_capabilities", "; ".join(reasons))


def reaches_volumes(request: PlacementRequest, node: NodeView, _now: datetime) -> Refusal | None:
    if request.reaching is None or node.id in request.reaching:
        return None
    return Refusal(
        node.name,
        "reaches_volumes",
        "the server's volumes are served over NBD, and the node's [storage] nbd_cert_file is unset",
    )


def backend_for(request: PlacementRequest, node: NodeView) -> str | None:
    """The node's best back end that is open and meets the type's extra specs; None: none does."""
    return next((each for each in _open_backends(request, node) if _unmet(request, node, each) is None), None)


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
    Filter(reaches_volumes, lambda request: request.reaching is not None),
)
