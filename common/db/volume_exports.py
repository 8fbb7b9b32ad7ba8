"""Exports of volumes that are served over NBD: who has which, on which port of which node."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.context import RequestContext
from common.db import nodes, operations, upsert
from common.db.models import Operation, Volume, VolumeExport
from common.errors import Conflict
from common.ids import new_id

SAGA = "export_withdraw"
_TRIES = 5
_rng = random.SystemRandom()


def of_attachment(session: Session, attachment_id: str) -> VolumeExport | None:
    query = sa.select(VolumeExport).where(VolumeExport.attachment_id == attachment_id)
    return session.scalars(query.execution_options(populate_existing=True)).one_or_none()


def of_volume(session: Session, volume_id: str) -> Sequence[VolumeExport]:
    return session.scalars(sa.select(VolumeExport).where(VolumeExport.volume_id == volume_id)).all()


def assign(
    session: Session, volume: Volume, attachment_id: str, client_name: str, ports: Sequence[int], now: datetime
) -> VolumeExport:
    """The attachment's export for this node, with a free port of the node that has the volume.

    Raises Conflict when it has one for another node, or when no port is free.
    """
    known = of_attachment(session, attachment_id)
    if known is not None:
        if known.client_name != client_name:
            raise Conflict(f"Volume {volume.id} is still served to node {known.client_name}: detach it there before.")
        return known
    assert volume.node_id is not None
    for _ in range(_TRIES):
        taken = set(session.scalars(sa.select(VolumeExport.port).where(VolumeExport.node_id == volume.node_id)))
        free = [port for port in ports if port not in taken]
        if not free:
            break
        row = {
            "id": new_id(), "attachment_id": attachment_id, "volume_id": volume.id, "node_id": volume.node_id,
            "port": _rng.choice(free), "client_name": client_name, "created_at": now,
        }  # fmt: skip
        if upsert.insert_ignore(session, VolumeExport, [row]):  # else somebody else was quicker
            return session.get_one(VolumeExport, row["id"])
    raise Conflict(
        f"Node {volume.node_name} has no port left to serve volume {volume.id}: raise [storage] nbd_ports.",
        node=volume.node_name,
    )


def release(session: Session, attachment_id: str, context: RequestContext, now: datetime) -> None:
    """Have the attachment's export withdrawn; the attachment, which goes on, may get another one. Harmless when repeated."""
    export = of_attachment(session, attachment_id)
    if export is not None:
        export.attachment_id = begin_withdrawal(session, export, context, now).id
        session.flush()


def forget(session: Session, export_id: str) -> None:
    """The node has withdrawn it; its port may be given out again."""
    session.execute(sa.delete(VolumeExport).where(VolumeExport.id == export_id))


def begin_withdrawal(session: Session, export: VolumeExport, context: RequestContext, now: datetime) -> Operation:
    """Have the export withdrawn when its node can be asked: its attachment is over, whatever the node says."""
    node = nodes.get(session, export.node_id)
    assert node is not None  # a foreign key
    params = {"export_id": export.id, "volume_id": export.volume_id, "node": node.name}
    return operations.create(session, operations.on_node(SAGA, "withdraw_export", export.node_id, params), context, now)
