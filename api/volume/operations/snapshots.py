"""Snapshots of volumes: lists, create, show, update, delete, and their metadata."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from sqlalchemy.orm import Session

from api.request import Services
from api.volume.operations.begun import begun
from api.volume.operations.volume_create import take_quota
from api.volume.operations.volumes import check_files
from common.context import RequestContext
from common.db import paging, volume_quota, volume_snapshots, volumes
from common.db.models import Volume, VolumeSnapshot
from common.db.volume_snapshots import SnapshotFilter
from common.errors import InvalidRequest, NotFound
from common.ids import new_id
from common.volume_states import COPYABLE, SnapshotStatus, VolumeStatus

_UPDATABLE = {
    "creating": ("creating", "available", "error"),
    "deleting": ("deleting", "error_deleting"),
}


def list_page(services: Services, wanted: SnapshotFilter, page: paging.Page) -> Sequence[VolumeSnapshot]:
    """Raises InvalidRequest for an unknown sort key or marker."""
    if page.limit == 0:
        return ()
    with services.db.read() as session:
        return volume_snapshots.list_page(session, wanted, page)


def count(services: Services, wanted: SnapshotFilter) -> int:
    with services.db.read() as session:
        return volume_snapshots.count(session, wanted)


def show(services: Services, context: RequestContext, snapshot_id: str) -> VolumeSnapshot:
    """Raises NotFound."""
    with services.db.read() as session:
        return volume_snapshots.get_visible(session, snapshot_id, context)


def create(
    services: Services, context: RequestContext, volume_id: str, *, name: str | None, description: str | None,
    properties: Mapping[str, str], forced: bool,
) -> VolumeSnapshot:  # fmt: skip
    """Begin to make one. forced: also of a volume that a server has.

    Raises NotFound, InvalidRequest, QuotaExceeded (413).
    """

    def work(session: Session) -> tuple[str, VolumeSnapshot]:
        return create_in(
            session, services, context, volume_id, name=name, description=description, properties=properties,
            forced=forced,
        )  # fmt: skip

    return begun(services, "snapshot_create", work)


def create_in(
    session: Session, services: Services, context: RequestContext, volume_id: str, *, name: str | None,
    description: str | None, properties: Mapping[str, str], forced: bool, group_snapshot_id: str | None = None,
    existing: str = "",
) -> tuple[str, VolumeSnapshot]:  # fmt: skip
    """As `create`, in the caller's transaction; the operation's id, for a hint after the commit.

    existing: the unmanaged file that becomes the snapshot.
    """
    volume = volumes.get_visible(session, volume_id, context)
    allowed = COPYABLE if forced else frozenset({VolumeStatus.AVAILABLE})
    row = {
        "id": new_id(), "name": name, "description": description, "properties": dict(properties),
        "group_snapshot_id": group_snapshot_id,
    }  # fmt: skip
    return begin_of(session, services, context, volume, row, allowed=allowed, existing=existing)


def begin_of(
    session: Session, services: Services, context: RequestContext, volume: Volume, row: Mapping[str, Any], *,
    allowed: AbstractSet[VolumeStatus] = COPYABLE, existing: str = "",
) -> tuple[str, VolumeSnapshot]:  # fmt: skip
    """As `create_in`, of a volume that the caller may have a snapshot of. row: the columns that its creator chooses.

    Raises InvalidRequest (its status, or an id that has been given before), QuotaExceeded.
    """
    if volume.status not in allowed:
        raise InvalidRequest(
            f"Invalid volume: Volume {volume.id} status must be {' or '.join(sorted(allowed))}, but current status is:"
            f" {volume.status}."
        )
    amounts = volume_quota.with_type({"snapshots": 1, "gigabytes": volume.size_gib}, volume.volume_type_id)
    take_quota(session, volume.project_id, amounts, services)
    whole = {
        "properties": {}, **row, "volume_id": volume.id, "project_id": volume.project_id, "user_id": context.user_id,
        "size_gib": volume.size_gib,
    }  # fmt: skip
    operation_id = volume_snapshots.create(session, whole, context, services.clock.now(), {"existing": existing})
    return operation_id, volume_snapshots.get(session, whole["id"])


def edit(
    services: Services, context: RequestContext, snapshot_id: str, change: Callable[[VolumeSnapshot], None]
) -> VolumeSnapshot:
    """Let `change` edit the row. Raises NotFound and what `change` raises."""

    def work(session: Session) -> VolumeSnapshot:
        snapshot = volume_snapshots.get_visible(session, snapshot_id, context)
        change(snapshot)
        snapshot.updated_at = services.clock.now()
        session.flush()
        return snapshot

    return services.db.run(work)


def delete(
    services: Services, context: RequestContext, snapshot_id: str, *, forced: bool = False, unmanage: bool = False
) -> None:
    """Begin to delete. unmanage: its file stays, as one that is managed no more. Raises NotFound, InvalidRequest."""

    def work(session: Session) -> tuple[str, None]:
        snapshot = volume_snapshots.get_visible(session, snapshot_id, context)
        if not forced:
            check_alone(snapshot)
        if unmanage:
            check_files(volumes.get(session, snapshot.volume_id, deleted=True).backend)
        now, params = services.clock.now(), {"unmanage": True} if unmanage else {}
        return volume_snapshots.begin_delete(session, snapshot, context, now, forced=forced, params=params).id, None

    begun(services, "snapshot_delete", work)


def check_alone(snapshot: VolumeSnapshot) -> None:
    """Raises InvalidRequest for one that goes with a group's."""
    if snapshot.group_snapshot_id is not None:
        raise InvalidRequest(
            f"Invalid snapshot: Snapshot {snapshot.id} belongs to group snapshot {snapshot.group_snapshot_id}."
        )


def reset_status(services: Services, context: RequestContext, snapshot_id: str, status: str) -> None:
    """Write a status by hand. Raises NotFound, InvalidRequest."""
    if status not in {each.value for each in SnapshotStatus}:
        raise InvalidRequest(f"Invalid input received: {status[:40]!r} is no status of snapshots.")
    edit(services, context, snapshot_id, lambda snapshot: setattr(snapshot, "status", status))


def update_status(
    services: Services, context: RequestContext, snapshot_id: str, status: str, progress: int | None
) -> None:
    """What whoever makes a snapshot tells of it. Raises NotFound, InvalidRequest."""

    def change(snapshot: VolumeSnapshot) -> None:
        allowed = _UPDATABLE.get(snapshot.status, ())
        if status not in allowed:
            raise InvalidRequest(
                f"Invalid snapshot: Provided snapshot status {status[:40]} not allowed for snapshot with status"
                f" {snapshot.status}."
            )
        snapshot.status = status
        if progress is not None:
            snapshot.progress = progress

    edit(services, context, snapshot_id, change)


def property_of(services: Services, context: RequestContext, snapshot_id: str, key: str) -> Any:
    """One item of the metadata. Raises NotFound."""
    snapshot = show(services, context, snapshot_id)
    if key not in snapshot.properties:
        raise NotFound(f"Snapshot {snapshot_id} has no metadata with key {key[:80]}.")
    return snapshot.properties[key]
