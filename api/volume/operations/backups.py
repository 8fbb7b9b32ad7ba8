"""Backups of volumes: lists, create, show, update, delete, and their status by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from api.request import Services
from api.volume.operations.begun import begun
from api.volume.operations.volume_create import project_of, take_quota, zone_of
from common.context import RequestContext
from common.db import paging, volume_backups, volume_services, volume_snapshots, volumes
from common.db.models import Volume, VolumeBackup, VolumeSnapshot
from common.db.volume_backups import BackupFilter
from common.errors import InvalidRequest
from common.ids import new_id
from common.volume_states import BackupStatus, SnapshotStatus, VolumeAction, VolumeStatus

#: what an administrator may say that a backup's status is
_RESETTABLE = (BackupStatus.AVAILABLE, BackupStatus.ERROR)


@dataclass(frozen=True)
class BackupPage:
    """parents: ids of those that living incremental backups are based on."""

    backups: Sequence[VolumeBackup]
    parents: set[str] = field(default_factory=set)


@dataclass(frozen=True, kw_only=True)
class NewBackup:
    """forced: also of a volume that a server has."""

    volume_id: str
    snapshot_id: str | None = None
    name: str | None = None
    description: str | None = None
    container: str | None = None
    availability_zone: str | None = None
    incremental: bool = False
    forced: bool = False
    properties: Mapping[str, str] = field(default_factory=dict)


def list_page(services: Services, wanted: BackupFilter, page: paging.Page) -> BackupPage:
    """Raises InvalidRequest for an unknown sort key or marker."""
    if page.limit == 0:
        return BackupPage(())
    with services.db.read() as session:
        return _of_rows(session, volume_backups.list_page(session, wanted, page))


def count(services: Services, wanted: BackupFilter) -> int:
    with services.db.read() as session:
        return volume_backups.count(session, wanted)


def show(services: Services, context: RequestContext, backup_id: str) -> BackupPage:
    """Raises NotFound."""
    with services.db.read() as session:
        return _of_rows(session, [volume_backups.get_visible(session, backup_id, context)])


def _of_rows(session: Session, found: Sequence[VolumeBackup]) -> BackupPage:
    return BackupPage(found, volume_backups.parents(session, [row.id for row in found]))


def create(services: Services, context: RequestContext, wanted: NewBackup) -> VolumeBackup:
    """Begin to make one, of the caller's project. Raises NotFound, InvalidRequest, QuotaExceeded (413)."""

    def work(session: Session) -> tuple[str, VolumeBackup]:
        now = services.clock.now()
        volume = volumes.get_visible(session, wanted.volume_id, context)
        snapshot = volume_snapshots.get_visible(session, wanted.snapshot_id, context) if wanted.snapshot_id else None
        zone = zone_of(session, wanted.availability_zone) if wanted.availability_zone else volume.availability_zone
        if not any(not node.closed for node in volume_services.backup_nodes(session, now)):
            raise InvalidRequest("No node of this cloud makes backups now: see `openstack volume service list`.")
        project_id = project_of(context)  # the caller's, as in Cinder: an administrator's backups are not the owner's
        amounts = {"backups": 1, "backup_gigabytes": volume.size_gib}
        take_quota(session, project_id, amounts, services)
        moment = snapshot.created_at if snapshot else now
        parent = _parent(session, volume, project_id, moment) if wanted.incremental else None
        before = volume.status
        _take_source(session, wanted, volume, snapshot, now)
        backup_id = new_id()
        row: dict[str, Any] = {
            "id": backup_id, "project_id": project_id, "user_id": context.user_id, "volume_id": volume.id,
            "snapshot_id": snapshot.id if snapshot else None, "parent_id": parent.id if parent else None,
            "name": wanted.name, "description": wanted.description, "size_gib": volume.size_gib,
            "status_before": before, "container": wanted.container, "location": backup_id, "service": "",
            "availability_zone": zone, "properties": dict(wanted.properties), "data_timestamp": moment,
            "volume_properties": _properties_of(volume),
        }  # fmt: skip
        operation_id = volume_backups.create(session, row, context, now)
        return operation_id, volume_backups.get(session, backup_id)

    return begun(services, "backup_create", work)


def _take_source(
    session: Session, wanted: NewBackup, volume: Volume, snapshot: VolumeSnapshot | None, now: datetime
) -> None:
    if snapshot is None:
        if volume.status == VolumeStatus.IN_USE and not wanted.forced:
            raise InvalidRequest("Invalid volume: Backing up an in-use volume must use the force flag.")
        volumes.take(session, volume, VolumeAction.BACK_UP, now)
        return
    if snapshot.volume_id != volume.id:
        raise InvalidRequest(f"Invalid snapshot: Snapshot {snapshot.id} is not one of volume {volume.id}.")
    available = (SnapshotStatus.AVAILABLE,)
    if not volume_snapshots.set_status(session, snapshot.id, available, SnapshotStatus.BACKING_UP, now):
        raise InvalidRequest(
            "Invalid snapshot: Snapshot to be backed up must be available, but the current status is"
            f" {volume_snapshots.get(session, snapshot.id).status}."
        )


def _parent(session: Session, volume: Volume, project_id: str, moment: datetime) -> VolumeBackup:
    parent = volume_backups.newest_of(session, volume.id, project_id, moment)
    if parent is None:
        raise InvalidRequest(
            "Invalid backup: No backups available to do an incremental backup: make a full one first, or wait until it"
            " is available."
        )
    return parent


def _properties_of(volume: Volume) -> dict[str, Any]:
    """What a volume that is made of it has again."""
    return {
        "bootable": volume.bootable, "image_id": volume.image_id, "image_properties": dict(volume.image_properties),
        "properties": dict(volume.properties), "volume_type_id": volume.volume_type_id,
        "availability_zone": volume.availability_zone,
    }  # fmt: skip


def edit(
    services: Services, context: RequestContext, backup_id: str, change: Callable[[VolumeBackup], None]
) -> VolumeBackup:
    """Let `change` edit the row. Raises NotFound and what `change` raises."""

    def work(session: Session) -> VolumeBackup:
        backup = volume_backups.get_visible(session, backup_id, context, lock=True)
        change(backup)
        backup.updated_at = services.clock.now()
        session.flush()
        return backup

    return services.db.run(work)


def delete(services: Services, context: RequestContext, backup_id: str, *, forced: bool = False) -> None:
    """Begin to delete. Raises NotFound, InvalidRequest while others are based on it."""

    def work(session: Session) -> tuple[str, None]:
        backup = volume_backups.get_visible(session, backup_id, context, lock=True)
        return volume_backups.begin_delete(session, backup, context, services.clock.now(), forced=forced).id, None

    begun(services, "backup_delete", work)


def reset_status(services: Services, context: RequestContext, backup_id: str, status: str) -> None:
    """Write a status by hand; one that was never whole does not become available. Raises NotFound, InvalidRequest."""
    if status not in _RESETTABLE:
        raise InvalidRequest(f"Invalid input received: {status[:40]!r} is neither {' nor '.join(_RESETTABLE)}.")

    def change(backup: VolumeBackup) -> None:
        if status == BackupStatus.AVAILABLE and not backup.whole:
            raise InvalidRequest(f"Invalid backup: Backup {backup.id} was never made whole: it can't be available.")
        backup.status = status

    edit(services, context, backup_id, change)
