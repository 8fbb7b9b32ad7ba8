"""NUMA cells in the database: what nodes have, what is free, and taking and giving back under a claim on the node.

Whoever takes has the node's row locked (nodes.claim), so that what is read here is still true when it is written; the
keys and conditions of the tables would refuse a second taker even so.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.db.models import NodeCell, NodePages, PinnedCpu
from common.db.upsert import insert_ignore
from common.errors import CloudError
from common.hardware import fitting
from common.hardware.fitting import HostCell, Place
from common.hardware.numa import NumaWish


class _NotLocked(CloudError):
    """A mistake of ours: the whole transaction is undone."""


def report(session: Session, node_id: str, cells: Sequence[Mapping[str, Any]]) -> int:
    """Write what the node's agent reports (compute_v1.NumaCell); how many CPUs there are to dedicate.

    What is taken stays taken, also of a cell that is not reported any more.
    """
    session.execute(sa.delete(NodeCell).where(NodeCell.node_id == node_id))
    session.execute(
        sa.update(NodePages)
        .where(NodePages.node_id == node_id)
        .values(total=0)
        .execution_options(synchronize_session=False)
    )
    for cell in cells:
        session.add(
            NodeCell(
                node_id=node_id, cell=cell["id"], cpus=len(cell["cpus"]), dedicated=list(cell.get("dedicated", ())),
                siblings=list(cell.get("siblings", ())),
            )
        )  # fmt: skip
        for pages in cell.get("pages", ()):
            _write_pages(session, node_id, cell["id"], pages["size_kib"], pages["total"])
    session.flush()
    return sum(len(cell.get("dedicated", ())) for cell in cells)


def _write_pages(session: Session, node_id: str, cell: int, size_kib: int, total: int) -> None:
    row = {"node_id": node_id, "cell": cell, "size_kib": size_kib, "total": total, "used": 0}
    if not insert_ignore(session, NodePages, [row]):
        session.execute(
            sa.update(NodePages).where(*_pages(node_id, cell, size_kib)).values(total=total)
            .execution_options(synchronize_session=False)
        )  # fmt: skip


def _pages(node_id: str, cell: int, size_kib: int) -> tuple[sa.ColumnElement[bool], ...]:
    return NodePages.node_id == node_id, NodePages.cell == cell, NodePages.size_kib == size_kib


def read(session: Session, node_id: str | None = None) -> dict[str, tuple[HostCell, ...]]:
    """The cells with what is free of them, by node; node_id None: of all nodes."""
    cells, pages, pinned = sa.select(NodeCell), sa.select(NodePages), sa.select(PinnedCpu.node_id, PinnedCpu.cpu)
    if node_id is not None:
        cells = cells.where(NodeCell.node_id == node_id)
        pages = pages.where(NodePages.node_id == node_id)
        pinned = pinned.where(PinnedCpu.node_id == node_id)
    taken: dict[str, set[int]] = defaultdict(set)
    for node, cpu in session.execute(pinned):
        taken[node].add(cpu)
    stock: dict[tuple[str, int], dict[int, tuple[int, int]]] = defaultdict(dict)
    for each in session.scalars(pages.execution_options(populate_existing=True)):
        stock[each.node_id, each.cell][each.size_kib] = (each.total, each.used)
    found: dict[str, list[HostCell]] = defaultdict(list)
    for row in session.scalars(cells.order_by(NodeCell.node_id, NodeCell.cell)):
        found[row.node_id].append(_host_cell(row, taken[row.node_id], stock[row.node_id, row.cell]))
    return {node: tuple(of_node) for node, of_node in found.items()}


def _host_cell(row: NodeCell, taken: set[int], pages: dict[int, tuple[int, int]]) -> HostCell:
    dedicated = frozenset(row.dedicated)
    return HostCell(
        id=row.cell,
        shared=row.cpus - len(dedicated),
        dedicated=dedicated,
        free=dedicated - taken,
        siblings=tuple(frozenset(threads) for threads in row.siblings),
        free_pages={size: total - used for size, (total, used) in pages.items()},
        pages={size: total for size, (total, _) in pages.items()},
    )


def take(session: Session, node_id: str, consumer_id: str, wish: NumaWish) -> dict[str, Any] | None:
    """Find a place for the guest and take it; what is taken, for the allocation. None: there is none, nothing is taken."""
    place = fitting.fit(wish, read(session, node_id).get(node_id, ()))
    if place is None:
        return None
    held = [cpu for cell in place.cells for cpu in cell.held]
    rows = [{"node_id": node_id, "cpu": cpu, "consumer_id": consumer_id} for cpu in held]
    taken = _as_taken(place, held)
    if insert_ignore(session, PinnedCpu, rows) == len(rows) and _use_pages(session, node_id, taken):
        return taken
    raise _NotLocked(f"node {node_id} was claimed on by two at once, without its row being locked")


def _use_pages(session: Session, node_id: str, taken: Mapping[str, Any]) -> bool:
    for cell in taken["cells"]:
        used = session.execute(
            sa.update(NodePages)
            .where(
                *_pages(node_id, cell["host_cell"], taken["page_kib"]), NodePages.used + cell["pages"] <= NodePages.total
            )
            .values(used=NodePages.used + cell["pages"])
            .returning(NodePages.cell)
            .execution_options(synchronize_session=False)
        ).all()  # fmt: skip
        if not used:
            return False
    return True


def give_back(session: Session, node_id: str, taken: Mapping[str, Any]) -> None:
    """taken: what the allocation says, which its caller deletes."""
    if taken["held"]:
        session.execute(
            sa.delete(PinnedCpu)
            .where(PinnedCpu.node_id == node_id, PinnedCpu.cpu.in_(taken["held"]))
            .execution_options(synchronize_session=False)
        )
    for cell in taken["cells"]:
        session.execute(
            sa.update(NodePages)
            .where(*_pages(node_id, cell["host_cell"], taken["page_kib"]))
            .values(used=NodePages.used - cell["pages"])
            .execution_options(synchronize_session=False)
        )


def _as_taken(place: Place, held: Sequence[int]) -> dict[str, Any]:
    return {
        "page_kib": place.page_kib,
        "held": sorted(held),
        "cells": [
            {
                "id": index, "cpus": list(cell.wanted.cpus), "memory_mib": cell.wanted.memory_mib,
                "host_cell": cell.host_cell, "pins": list(cell.pins), "pages": cell.pages,
            }
            for index, cell in enumerate(place.cells)
        ],
    }  # fmt: skip
