"""Attachments of volumes: the only writer of their status, and the queries about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Session

from common.context import RequestContext
from common.db import filters, paging
from common.db.models import VolumeAttachment
from common.errors import NotFound
from common.volume_states import HELD_BY_GUEST, AttachStatus

_ON_A_GUEST = (*HELD_BY_GUEST, AttachStatus.ATTACHING)
SORT_COLUMNS: dict[str, InstrumentedAttribute[Any]] = {
    "id": VolumeAttachment.id, "created_at": VolumeAttachment.created_at, "volume_id": VolumeAttachment.volume_id,
    "status": VolumeAttachment.status, "attach_status": VolumeAttachment.status,
}  # fmt: skip


def get(session: Session, attachment_id: str, *, deleted: bool = False) -> VolumeAttachment:
    """Raises NotFound."""
    found = session.get(VolumeAttachment, attachment_id, populate_existing=True)
    if found is None or (found.deleted and not deleted):
        raise NotFound(f"Volume attachment could not be found with filter: attachment_id = {attachment_id[:64]}.")
    return found


def get_visible(session: Session, attachment_id: str, context: RequestContext) -> VolumeAttachment:
    """Raises NotFound, with the same words for a stranger's and for none."""
    found = get(session, attachment_id)
    if not context.owns(found.project_id):
        raise NotFound(f"Volume attachment could not be found with filter: attachment_id = {attachment_id[:64]}.")
    return found


def of_volumes(session: Session, volume_ids: Sequence[str]) -> dict[str, list[VolumeAttachment]]:
    """The living attachments of each volume, oldest first."""
    found: dict[str, list[VolumeAttachment]] = {volume_id: [] for volume_id in volume_ids}
    if not found:
        return found
    query = sa.select(VolumeAttachment).where(
        filters.among(session, VolumeAttachment.volume_id, list(found)), VolumeAttachment.deleted.is_(False)
    )
    for row in session.scalars(query.order_by(VolumeAttachment.created_at, VolumeAttachment.id)):
        found[row.volume_id].append(row)
    return found


def of_volume(session: Session, volume_id: str) -> list[VolumeAttachment]:
    return of_volumes(session, [volume_id])[volume_id]


def of_instances(session: Session, instance_ids: Sequence[str]) -> dict[str, list[VolumeAttachment]]:
    """The living attachments of each server: the one it boots from first, then in the order they were made."""
    found: dict[str, list[VolumeAttachment]] = {instance_id: [] for instance_id in instance_ids}
    if not found:
        return found
    theirs = filters.among(session, VolumeAttachment.instance_id, list(found))  # type: ignore[arg-type]
    for row in session.scalars(_LIVING.where(theirs)):
        if row.instance_id is not None:
            found[row.instance_id].append(row)
    return found


def of_instance(session: Session, instance_id: str) -> list[VolumeAttachment]:
    return list(session.scalars(_OF_INSTANCE, {"instance": instance_id}))


_LIVING = (
    sa.select(VolumeAttachment)
    .where(VolumeAttachment.deleted.is_(False))
    .order_by(sa.case((VolumeAttachment.boot_index == 0, 0), else_=1), VolumeAttachment.created_at, VolumeAttachment.id)
)
_OF_INSTANCE = _LIVING.where(VolumeAttachment.instance_id == sa.bindparam("instance"))


def find(session: Session, instance_id: str, volume_id: str) -> VolumeAttachment | None:
    """The living attachment of a volume at a server."""
    query = sa.select(VolumeAttachment).where(
        VolumeAttachment.instance_id == instance_id,
        VolumeAttachment.volume_id == volume_id,
        VolumeAttachment.deleted.is_(False),
    )
    return session.scalars(query.execution_options(populate_existing=True)).one_or_none()


def list_page(
    session: Session, project_id: str | None, equals: Mapping[str, Any], page: paging.Page
) -> list[VolumeAttachment]:
    """project_id None: of all projects. Raises InvalidRequest for an unknown sort key or marker."""
    query = sa.select(VolumeAttachment).where(VolumeAttachment.deleted.is_(False))
    if project_id is not None:
        query = query.where(VolumeAttachment.project_id == project_id)
    for name, value in equals.items():
        query = query.where(getattr(VolumeAttachment, name) == value)
    return paging.fetch(
        session, query, page, columns=SORT_COLUMNS, default=(("created_at", True),), key=VolumeAttachment.id
    )


def add(session: Session, row: Mapping[str, Any], now: datetime) -> VolumeAttachment:
    """Insert one. Raises IntegrityError when the server has the volume already."""
    attachment = VolumeAttachment(**row, created_at=now, updated_at=now)
    session.add(attachment)
    session.flush()
    return attachment


def move(
    session: Session, attachment_id: str, expect: Sequence[AttachStatus], to: AttachStatus, now: datetime,
    **changes: Any,
) -> bool:  # fmt: skip
    """Move the status by compare-and-set, and write `changes` with it. False: it was not as expected."""
    moved = session.execute(
        sa.update(VolumeAttachment)
        .where(
            VolumeAttachment.id == attachment_id,
            VolumeAttachment.status.in_(expect),
            VolumeAttachment.deleted.is_(False),
        )
        .values(status=to, updated_at=now, **changes)
        .execution_options(synchronize_session=False)
    )
    return bool(moved.rowcount)  # type: ignore[attr-defined]


def hold(session: Session, instance_id: str, holder_id: str, now: datetime) -> list[VolumeAttachment]:
    """Keep the disks of a server that is being deleted from others, for whoever clears up after it; which."""
    disks = [row.id for row in of_instance(session, instance_id) if row.node_name is not None]
    for attachment_id in disks:
        move(session, attachment_id, _ON_A_GUEST, AttachStatus.DETACHING, now, held_by=holder_id)
    return held(session, holder_id)


def held(session: Session, holder_id: str) -> list[VolumeAttachment]:
    """What `hold` has kept for this holder, and is not over."""
    query = sa.select(VolumeAttachment).where(
        VolumeAttachment.held_by == holder_id, VolumeAttachment.deleted.is_(False)
    )
    ordered = query.order_by(VolumeAttachment.volume_id).execution_options(populate_existing=True)
    return list(session.scalars(ordered))


def change(session: Session, attachment_id: str, **values: Any) -> None:
    """Write columns other than the status."""
    session.execute(
        sa.update(VolumeAttachment)
        .where(VolumeAttachment.id == attachment_id)
        .values(**values)
        .execution_options(synchronize_session=False)
    )


def end(session: Session, attachment_id: str, now: datetime) -> bool:
    """The volume is no longer at the server; the row is kept. False: that was so before."""
    done = session.execute(
        sa.update(VolumeAttachment)
        .where(VolumeAttachment.id == attachment_id, VolumeAttachment.deleted.is_(False))
        .values(status=AttachStatus.DETACHED, deleted=True, detached_at=now, updated_at=now)
        .execution_options(synchronize_session=False)
    )
    return bool(done.rowcount)  # type: ignore[attr-defined]
