"""Backups of volumes: the only writer of their status, and the queries about them.

A backup can be restored, or be the base of an incremental one, only when it is `available`, and becomes that only when
its objects are whole. Its row is marked as deleted only when its objects are gone, so that every object has a row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Session

from common.context import RequestContext
from common.db import operations, paging, quotas
from common.db.models import Operation, VolumeBackup
from common.errors import InvalidRequest, NotFound
from common.states import OPEN_OPERATION_STATES, OperationClass
from common.volume_states import BACKUP_DELETABLE, BackupStatus

SORT_COLUMNS: dict[str, InstrumentedAttribute[Any]] = {
    "id": VolumeBackup.id, "name": VolumeBackup.name, "status": VolumeBackup.status, "size": VolumeBackup.size_gib,
    "volume_id": VolumeBackup.volume_id, "created_at": VolumeBackup.created_at, "updated_at": VolumeBackup.updated_at,
    "data_timestamp": VolumeBackup.data_timestamp, "container": VolumeBackup.container,
    "availability_zone": VolumeBackup.availability_zone, "project_id": VolumeBackup.project_id,
}  # fmt: skip
#: sagas that read a backup's objects
READERS = ("volume_create", "backup_restore")


@dataclass(frozen=True)
class BackupFilter:
    """project_id None: of all projects."""

    project_id: str | None
    equals: Mapping[str, Any] = field(default_factory=dict)
    name_like: str | None = None
    properties: Mapping[str, str] = field(default_factory=dict)


def get(session: Session, backup_id: str, *, deleted: bool = False) -> VolumeBackup:
    """Raises NotFound."""
    found = session.get(VolumeBackup, backup_id, populate_existing=True)
    if found is None or (found.deleted and not deleted):
        raise NotFound(f"Backup {backup_id[:64]} could not be found.")
    return found


def get_visible(session: Session, backup_id: str, context: RequestContext, *, lock: bool = False) -> VolumeBackup:
    """lock: until the transaction ends. Raises NotFound, with the same words for a stranger's and for none."""
    if lock:
        session.execute(sa.select(VolumeBackup.id).where(VolumeBackup.id == backup_id).with_for_update())
    backup = get(session, backup_id)
    if not context.owns(backup.project_id):
        raise NotFound(f"Backup {backup_id[:64]} could not be found.")
    return backup


def list_page(session: Session, wanted: BackupFilter, page: paging.Page) -> list[VolumeBackup]:
    """Newest first. Raises InvalidRequest for a sort key that isn't allowed or an unknown marker."""
    return paging.fetch(
        session, _listed(wanted), page, columns=SORT_COLUMNS, default=(("created_at", True),), key=VolumeBackup.id
    )


def count(session: Session, wanted: BackupFilter) -> int:
    return int(session.scalar(_listed(wanted).with_only_columns(sa.func.count()).order_by(None)) or 0)


def _listed(wanted: BackupFilter) -> sa.Select[VolumeBackup]:
    query = sa.select(VolumeBackup).where(VolumeBackup.deleted.is_(False))
    if wanted.project_id is not None:
        query = query.where(VolumeBackup.project_id == wanted.project_id)
    for name, value in wanted.equals.items():
        column: InstrumentedAttribute[Any] = getattr(VolumeBackup, name)
        query = query.where(column.is_(None) if value is None else column == value)
    if wanted.name_like:
        query = query.where(VolumeBackup.name.contains(wanted.name_like, autoescape=True))
    for key, value in wanted.properties.items():
        query = query.where(VolumeBackup.properties[key].as_string() == value)
    return query


def parents(session: Session, backup_ids: Sequence[str]) -> set[str]:
    """Those of them that living incremental backups are based on."""
    query = sa.select(VolumeBackup.parent_id).where(
        VolumeBackup.parent_id.in_(backup_ids), VolumeBackup.deleted.is_(False)
    )
    return {found for found in session.scalars(query.distinct()) if found is not None}


def newest_of(session: Session, volume_id: str, project_id: str, before: datetime | None = None) -> VolumeBackup | None:
    """What an incremental backup is based on: the last whole one of the volume, of the project's own.

    before: with bytes that are not newer than that.
    """
    query = sa.select(VolumeBackup).where(
        VolumeBackup.volume_id == volume_id,
        VolumeBackup.project_id == project_id,
        VolumeBackup.deleted.is_(False),
        VolumeBackup.status == BackupStatus.AVAILABLE,
    )
    if before is not None:
        query = query.where(VolumeBackup.data_timestamp <= before)
    order = (VolumeBackup.data_timestamp.desc(), VolumeBackup.created_at.desc(), VolumeBackup.id)
    return session.scalars(query.order_by(*order).limit(1).with_for_update()).one_or_none()


def create(
    session: Session, row: Mapping[str, Any], context: RequestContext, now: datetime, kind: str = "backup_create"
) -> str:
    """Insert a backup in status `creating` with the operation that makes it; the operation's id."""
    backup = VolumeBackup(**row, status=BackupStatus.CREATING, created_at=now, updated_at=now)
    session.add(backup)
    session.flush()
    return begin(session, backup, kind.partition("_")[2], kind, context, now).id


def begin(
    session: Session, backup: VolumeBackup, action: str, kind: str, context: RequestContext, now: datetime,
    *, forced: bool = False,
) -> Operation:  # fmt: skip
    """The operation of a saga about a backup; forced: it asks the others to stop."""
    operation = operations.create(
        session,
        operations.NewOperation(
            kind=kind,
            action=action,
            operation_class=OperationClass.PREEMPTING if forced else OperationClass.EXCLUSIVE,
            resource_type="backup",
            resource_id=backup.id,
            project_id=backup.project_id,
            params={"backup_id": backup.id, "volume_id": backup.volume_id},
        ),
        context,
        now,
    )
    if forced:
        operations.request_cancel(session, backup.id, operation.id, now)
    return operation


def begin_delete(
    session: Session, backup: VolumeBackup, context: RequestContext, now: datetime, *, forced: bool = False
) -> Operation:
    """Raises InvalidRequest when the status doesn't allow it, others are based on it, or it is being read."""
    allowed: Sequence[BackupStatus] = tuple(BackupStatus) if forced else tuple(BACKUP_DELETABLE)
    if not set_status(session, backup.id, allowed, BackupStatus.DELETING, now):
        fresh = get(session, backup.id)
        raise InvalidRequest(
            f"Invalid backup: Backup status must be available or error, but current status is: {fresh.status}."
        )
    if parents(session, [backup.id]):
        raise InvalidRequest(
            f"Invalid backup: Incremental backups exist for backup {backup.id}; delete them first, the newest first."
        )
    if _is_read(session, backup.id):
        raise InvalidRequest(f"Invalid backup: a volume is just being made or restored from backup {backup.id}.")
    return begin(session, backup, "delete", "backup_delete", context, now, forced=forced)


def _is_read(session: Session, backup_id: str) -> bool:
    query = sa.select(Operation.id).where(
        Operation.kind.in_(READERS),
        Operation.state.in_(OPEN_OPERATION_STATES),
        Operation.params["backup_id"].as_string() == backup_id,
    )
    return session.execute(query.limit(1)).first() is not None


def set_status(
    session: Session, backup_id: str, expect: Sequence[BackupStatus], to: BackupStatus, now: datetime, **changes: Any
) -> bool:
    """Move the status by compare-and-set, and write `changes` with it. False: it was not as expected."""
    moved = session.execute(
        sa.update(VolumeBackup)
        .where(VolumeBackup.id == backup_id, VolumeBackup.status.in_(expect), VolumeBackup.deleted.is_(False))
        .values(status=to, updated_at=now, **changes)
        .execution_options(synchronize_session=False)
    )
    return bool(moved.rowcount)  # type: ignore[attr-defined]


def change(session: Session, backup_id: str, **values: Any) -> None:
    """Write columns other than the status."""
    session.execute(
        sa.update(VolumeBackup)
        .where(VolumeBackup.id == backup_id)
        .values(**values)
        .execution_options(synchronize_session=False)
    )


def end_restore(session: Session, backup_id: str, now: datetime) -> None:
    """Whether the volume got its bytes or not: the backup is what it was."""
    set_status(session, backup_id, (BackupStatus.RESTORING,), BackupStatus.AVAILABLE, now)


def shares_objects(session: Session, backup: VolumeBackup) -> bool:
    """True when another living record names the same objects: one that was imported a second time."""
    query = sa.select(VolumeBackup.id).where(
        VolumeBackup.location == backup.location, VolumeBackup.id != backup.id, VolumeBackup.deleted.is_(False)
    )
    return session.execute(query.limit(1)).first() is not None


def mark_deleted(session: Session, backup: VolumeBackup, now: datetime) -> bool:
    """Delete the row (softly) and give back quota, once."""
    done = session.execute(
        sa.update(VolumeBackup)
        .where(VolumeBackup.id == backup.id, VolumeBackup.deleted.is_(False))
        .values(deleted=True, status=BackupStatus.DELETED, updated_at=now)
        .execution_options(synchronize_session=False)
    )
    if done.rowcount == 0:  # type: ignore[attr-defined]
        return False
    quotas.release(session, backup.project_id, amounts_of(backup))
    return True


def amounts_of(backup: VolumeBackup) -> dict[str, int]:
    """What one backup counts for in its project's quota."""
    return {"backups": 1, "backup_gigabytes": backup.size_gib}
