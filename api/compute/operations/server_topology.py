"""How a server's CPUs and memory lie: the guest's NUMA cells, and the node's that it has them of (microversion 2.78)."""

from __future__ import annotations

from dataclasses import dataclass

from api.request import Services
from common.context import RequestContext
from common.db import instances, nodes
from common.hardware import reading
from common.hardware.numa import Pages


@dataclass(frozen=True)
class ShownCell:
    """siblings: the guest's CPUs that are threads of one core. host_cell None: the server is on no node."""

    cpus: tuple[int, ...]
    siblings: tuple[tuple[int, ...], ...]
    memory_mib: int
    host_cell: int | None
    pins: dict[int, int]


@dataclass(frozen=True)
class Topology:
    """cells: none for a guest that asked for none. page_kib None: no size of pages was asked for."""

    cells: tuple[ShownCell, ...] = ()
    page_kib: int | None = None


def of_server(services: Services, context: RequestContext, server_id: str) -> Topology:
    """Raises NotFound."""
    with services.db.read() as session:
        instance = instances.get_visible(session, server_id, context)
        wanted = reading.read(instance.flavor, instance.image)
        taken = nodes.cells_of(session, instance.id, instance.node_id) if instance.node_id else None
    if wanted.numa is None:
        return Topology()
    threads = wanted.guest.topology.threads if wanted.guest.topology else 1
    places = taken["cells"] if taken else [None] * len(wanted.numa.cells)
    cells = tuple(
        ShownCell(
            cell.cpus, _grouped(cell.cpus, threads), cell.memory_mib,
            place["host_cell"] if place else None,
            dict(zip(place["cpus"], place["pins"], strict=False)) if place else {},
        )
        for cell, place in zip(wanted.numa.cells, places, strict=True)
    )  # fmt: skip
    asked = wanted.numa.pages is not Pages.ORDINARY
    return Topology(cells, (taken["page_kib"] if taken else wanted.numa.page_kib or None) if asked else None)


def _grouped(cpus: tuple[int, ...], threads: int) -> tuple[tuple[int, ...], ...]:
    if threads < 2:
        return ()
    return tuple(cpus[start : start + threads] for start in range(0, len(cpus), threads))
