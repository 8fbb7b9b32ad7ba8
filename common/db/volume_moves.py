"""Volumes that get another node, back end or format: the second claim, the switch, and what removes the other file.

While bytes are on their way the volume has a claim of PURPOSE for the file that is being made. The switch exchanges the
two in one transaction; from then on that claim is of the file that the volume was before. It, and half a copy on a node
that fell silent, is held and removed by an operation of its own (SAGA), however long that node is away.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.context import RequestContext
from common.db import nodes, operations, volumes
from common.db.models import Allocation, Operation, Volume
from common.states import OPEN_OPERATION_STATES
from common.volume_capabilities import node_gib

PURPOSE = "volume-copy"
SAGA = "volume_remove_copy"


@dataclass(frozen=True)
class Place:
    """Where a volume's file is, or is to be, and as what."""

    node_id: str
    node_name: str
    backend: str
    disk_format: str


def place_of(volume: Volume) -> Place | None:
    """None for one that was never placed."""
    if volume.node_id is None or volume.node_name is None:
        return None
    return Place(volume.node_id, volume.node_name, volume.backend, volume.disk_format)


def claimed_on(session: Session, volume_id: str) -> str | None:
    """The id of the node that has the claim for a second file; None: there is none."""
    query = sa.select(Allocation.node_id).where(Allocation.consumer_id == volume_id, Allocation.purpose == PURPOSE)
    return session.scalar(query)


def being_cleared(session: Session, volume_id: str) -> frozenset[str]:
    """Ids of nodes on which a file of the volume is still to be removed, so that it can't come there now."""
    query = sa.select(Operation.resource_id, Operation.params).where(
        Operation.kind == SAGA, Operation.state.in_(OPEN_OPERATION_STATES)
    )
    return frozenset(node_id for node_id, params in session.execute(query) if params["volume_id"] == volume_id)


def set_migration_status(session: Session, volume_id: str, status: str) -> None:
    session.execute(
        sa.update(Volume)
        .where(Volume.id == volume_id)
        .values(migration_status=status)
        .execution_options(synchronize_session=False)
    )


def switch(session: Session, volume: Volume, to: Place, now: datetime) -> None:
    """From now on the volume is there; the claim of PURPOSE is that of the file it was."""
    if volume.node_id is not None and volume.node_id != to.node_id:
        its = {"consumer_id": volume.id, "to": volume.id}
        nodes.transfer_claim(session, **its, node_id=volume.node_id, purpose=volumes.PURPOSE, as_purpose=PURPOSE)
        nodes.transfer_claim(session, **its, node_id=to.node_id, purpose=PURPOSE, as_purpose=volumes.PURPOSE)
    elif claimed_on(session, volume.id) == to.node_id:
        _exchange(session, volume, to)
    volumes.place(session, volume, to.node_id, to.node_name, to.disk_format, now, backend=to.backend)


def _exchange(session: Session, volume: Volume, to: Place) -> None:
    """On one node the two claims may differ: what is in a pool takes nothing of its disk."""
    sizes = {
        volumes.PURPOSE: node_gib(to.backend, volume.size_gib), PURPOSE: node_gib(volume.backend, volume.size_gib),
    }  # fmt: skip
    for purpose in sorted(sizes, key=lambda each: sizes[each]):  # first what gives back
        nodes.grow(session, consumer_id=volume.id, node_id=to.node_id, purpose=purpose, disk_gib=sizes[purpose])


def release(session: Session, volume_id: str) -> None:
    """Give the second claim back; harmless when there is none."""
    node_id = claimed_on(session, volume_id)
    if node_id is not None:
        nodes.release(session, consumer_id=volume_id, node_id=node_id, purpose=PURPOSE)


def begin_removal(
    session: Session, volume: Volume, place: Place, context: RequestContext, now: datetime, *, export_id: str = "",
    taken_over: bool = False,
) -> Operation | None:  # fmt: skip
    """Have the file that the second claim is for removed, and the claim given back then. None: there is no such claim.

    export_id: by which it was copied. taken_over: it is half a copy, not what the volume was.
    """
    if claimed_on(session, volume.id) != place.node_id:
        return None
    params = {
        "volume_id": volume.id, "node": place.node_name, "disk_format": place.disk_format, "export_id": export_id,
        "taken_over": taken_over, "backend": place.backend,
    }  # fmt: skip
    operation = operations.create(session, operations.on_node(SAGA, "remove_copy", place.node_id, params), context, now)
    nodes.transfer_claim(
        session, node_id=place.node_id, consumer_id=volume.id, purpose=PURPOSE, to=operation.id, as_purpose=PURPOSE
    )
    return operation
