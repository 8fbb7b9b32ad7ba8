"""Snapshots of volumes: the only writer of their status, and the queries about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Session

from common.context import RequestContext
from common.db import nodes, operations, paging, quotas, upsert, volume_groups, volume_quota
from common.db.models import Instance, Node, Operation, Volume, VolumeBackup, VolumeSnapshot
from common.errors import InvalidRequest, NotFound
from common.states import OperationClass
from common.volume_states import SNAPSHOT_DELETABLE, SnapshotStatus

#: the purpose of the allocation that every placed snapshot has
PURPOSE = "snapshot"
NOTHING_MORE: Mapping[str, Any] = {}
SORT_COLUMNS: dict[str, InstrumentedAttribute[Any]] = {
    "id": VolumeSnapshot.id, "name": VolumeSnapshot.name, "display_name": VolumeSnapshot.name,
    "status": VolumeSnapshot.status, "volume_id": VolumeSnapshot.volume_id, "created_at": VolumeSnapshot.created_at,
    "size": VolumeSnapshot.size_gib, "project_id": VolumeSnapshot.project_id,
    "description": VolumeSnapshot.description,
}  # fmt: skip


@dataclass(frozen=True)
class SnapshotFilter:
    """project_id None: of all projects."""

    project_id: str | None
    equals: Mapping[str, Any] = field(default_factory=dict)
    name_like: str | None = None
    properties: Mapping[str, str] = field(default_factory=dict)


def get(session: Session, snapshot_id: str, *, deleted: bool = False) -> VolumeSnapshot:
    """Raises NotFound."""
    found = session.get(VolumeSnapshot, snapshot_id, populate_existing=True)
    if found is None or (found.deleted and not deleted):
        raise NotFound(f"Snapshot {snapshot_id[:64]} could not be found.")
    return found


def get_visible(session: Session, snapshot_id: str, context: RequestContext) -> VolumeSnapshot:
    """Raises NotFound, with the same words for a stranger's and for none."""
    snapshot = get(session, snapshot_id)
    if not context.owns(snapshot.project_id):
        raise NotFound(f"Snapshot {snapshot_id[:64]} could not be found.")
    return snapshot


def list_page(session: Session, wanted: SnapshotFilter, page: paging.Page) -> list[VolumeSnapshot]:
    """Newest first. Raises InvalidRequest for a sort key that isn't allowed or an unknown marker."""
    return paging.fetch(
        session, _listed(wanted), page, columns=SORT_COLUMNS, default=(("created_at", True),), key=VolumeSnapshot.id
    )


def count(session: Session, wanted: SnapshotFilter) -> int:
    return int(session.scalar(_listed(wanted).with_only_columns(sa.func.count()).order_by(None)) or 0)


def of_volume(session: Session, volume_id: str) -> list[VolumeSnapshot]:
    """The living snapshots of a volume, newest first."""
    query = sa.select(VolumeSnapshot).where(VolumeSnapshot.volume_id == volume_id, VolumeSnapshot.deleted.is_(False))
    return list(session.scalars(query.order_by(VolumeSnapshot.created_at.desc(), VolumeSnapshot.id)))


def _listed(wanted: SnapshotFilter) -> sa.Select[VolumeSnapshot]:
    query = sa.select(VolumeSnapshot).where(VolumeSnapshot.deleted.is_(False))
    if wanted.project_id is not None:
        query = query.where(VolumeSnapshot.project_id == wanted.project_id)
    for name, value in wanted.equals.items():
        column: InstrumentedAttribute[Any] = getattr(VolumeSnapshot, name)
        query = query.where(column.is_(None) if value is None else column == value)
    if wanted.name_like:
        query = query.where(VolumeSnapshot.name.contains(wanted.name_like, autoescape=True))
    for key, value in wanted.properties.items():
        query = query.where(VolumeSnapshot.properties[key].as_string() == value)
    return query


def create(
    session: Session,
    row: Mapping[str, Any],
    context: RequestContext,
    now: datetime,
    params: Mapping[str, Any] = NOTHING_MORE,
) -> str:
    """Insert a snapshot in status `creating` with the operation that makes it; the operation's id.

    Raises InvalidRequest for an id that a snapshot has, or one that was deleted has had.
    """
    whole = {"properties": {}, "progress": 0, **row, "status": SnapshotStatus.CREATING, "created_at": now}
    if upsert.insert_ignore(session, VolumeSnapshot, [{**whole, "updated_at": now, "deleted": False}]) == 0:
        raise InvalidRequest(f"Snapshot {row['id']} exists already: a snapshot's id is given once.")
    snapshot = get(session, row["id"])
    return _operation(session, snapshot, "create", "snapshot_create", context, now, params).id


def check_unused(session: Session, snapshot_id: str) -> None:
    """Raises InvalidRequest for an id, given by a caller, that anything has which claims and operations are kept under."""
    holders = (Instance, Volume, VolumeBackup, Node, Operation)
    if any(session.get(holder, snapshot_id) is not None for holder in holders) or operations.latest(
        session, snapshot_id
    ):
        raise InvalidRequest(f"The id {snapshot_id} is in use: give the snapshot one of its own.")


def begin_delete(
    session: Session, snapshot: VolumeSnapshot, context: RequestContext, now: datetime, *, forced: bool = False,
    params: Mapping[str, Any] = NOTHING_MORE,
) -> Operation:  # fmt: skip
    """Raises InvalidRequest when the status doesn't allow it."""
    allowed: Sequence[SnapshotStatus] = tuple(SnapshotStatus) if forced else tuple(SNAPSHOT_DELETABLE)
    if not set_status(session, snapshot.id, allowed, SnapshotStatus.DELETING, now):
        fresh = get(session, snapshot.id)
        raise InvalidRequest(
            "Invalid snapshot: Snapshot status must be available or error to be deleted, but current status is:"
            f" {fresh.status}."
        )
    operation = _operation(session, snapshot, "delete", "snapshot_delete", context, now, params)
    if forced:
        operations.request_cancel(session, snapshot.id, operation.id, now)
    return operation


def _operation(
    session: Session, snapshot: VolumeSnapshot, action: str, kind: str, context: RequestContext, now: datetime,
    params: Mapping[str, Any],
) -> Operation:  # fmt: skip
    return operations.create(
        session,
        operations.NewOperation(
            kind=kind,
            action=action,
            operation_class=OperationClass.EXCLUSIVE,
            resource_type="snapshot",
            resource_id=snapshot.id,
            project_id=snapshot.project_id,
            params={**params, "snapshot_id": snapshot.id, "volume_id": snapshot.volume_id},
        ),
        context,
        now,
    )


def set_status(
    session: Session, snapshot_id: str, expect: Sequence[SnapshotStatus], to: SnapshotStatus | str, now: datetime,
    **changes: Any,
) -> bool:  # fmt: skip
    """Move the status by compare-and-set, and write `changes` with it. False: it was not as expected."""
    moved = session.execute(
        sa.update(VolumeSnapshot)
        .where(VolumeSnapshot.id == snapshot_id, VolumeSnapshot.status.in_(expect), VolumeSnapshot.deleted.is_(False))
        .values(status=to, updated_at=now, **changes)
        .returning(VolumeSnapshot.group_snapshot_id)
        .execution_options(synchronize_session=False)
    ).first()
    if moved is not None:
        volume_groups.settle_snapshot(session, moved[0], now)
    return moved is not None


def change(session: Session, snapshot_id: str, **values: Any) -> None:
    """Write columns other than the status."""
    session.execute(
        sa.update(VolumeSnapshot)
        .where(VolumeSnapshot.id == snapshot_id)
        .values(**values)
        .execution_options(synchronize_session=False)
    )


def mark_deleted(session: Session, snapshot: VolumeSnapshot, now: datetime) -> bool:
    """Delete the row (softly), give back claim and quota, once."""
    done = session.execute(
        sa.update(VolumeSnapshot)
        .where(VolumeSnapshot.id == snapshot.id, VolumeSnapshot.deleted.is_(False))
        .values(deleted=True, status=SnapshotStatus.DELETED, updated_at=now)
        .execution_options(synchronize_session=False)
    )
    if done.rowcount == 0:  # type: ignore[attr-defined]
        return False
    quotas.release(session, snapshot.project_id, amounts_of(session, snapshot))
    nodes.release_all(session, snapshot.id)
    volume_groups.settle_snapshot(session, snapshot.group_snapshot_id, now)
    return True


def amounts_of(session: Session, snapshot: VolumeSnapshot) -> dict[str, int]:
    """What one snapshot counts for in its project's quota: also among those of its volume's type."""
    type_id = session.scalar(sa.select(Volume.volume_type_id).where(Volume.id == snapshot.volume_id))
    return volume_quota.with_type({"snapshots": 1, "gigabytes": snapshot.size_gib}, type_id)
