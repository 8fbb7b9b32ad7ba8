"""Groups of volumes and snapshots of them. Their status follows that of the members, whose writers call `settle_*`.

A group exists at once; one made from another or from a snapshot is `creating` until its volumes are there. One that is
being deleted goes with its last volume. The row is locked before the members are counted, so that of two members that
end at the same time one sees the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Session

from common.context import RequestContext
from common.db import paging, quotas
from common.db.models import Volume, VolumeGroup, VolumeGroupSnapshot, VolumeSnapshot
from common.errors import NotFound
from common.volume_states import GroupStatus, SnapshotStatus, VolumeStatus

SORT_COLUMNS: dict[str, InstrumentedAttribute[Any]] = {
    "id": VolumeGroup.id, "name": VolumeGroup.name, "status": VolumeGroup.status, "created_at": VolumeGroup.created_at,
}  # fmt: skip
SNAPSHOT_SORT_COLUMNS: dict[str, InstrumentedAttribute[Any]] = {
    "id": VolumeGroupSnapshot.id, "name": VolumeGroupSnapshot.name, "status": VolumeGroupSnapshot.status,
    "group_id": VolumeGroupSnapshot.group_id, "created_at": VolumeGroupSnapshot.created_at,
}  # fmt: skip
AMOUNTS = {"groups": 1}


def get_visible(session: Session, group_id: str, context: RequestContext, *, lock: bool = False) -> VolumeGroup:
    """Raises NotFound, with the same words for a stranger's and for none."""
    found = session.get(VolumeGroup, group_id, with_for_update=lock or None, populate_existing=True)
    if found is None or not context.owns(found.project_id):
        raise NotFound(f"Group {group_id[:64]} could not be found.")
    return found


def list_page(
    session: Session, project_id: str | None, equals: Mapping[str, Any], page: paging.Page
) -> list[VolumeGroup]:
    """Newest first. project_id None: of all projects."""
    query = sa.select(VolumeGroup)
    if project_id is not None:
        query = query.where(VolumeGroup.project_id == project_id)
    for name, value in equals.items():
        query = query.where(getattr(VolumeGroup, name) == value)
    return paging.fetch(session, query, page, columns=SORT_COLUMNS, default=(("created_at", True),), key=VolumeGroup.id)


def members(session: Session, group_id: str) -> list[Volume]:
    """The living volumes of a group, oldest first."""
    query = sa.select(Volume).where(Volume.group_id == group_id, Volume.deleted.is_(False))
    return list(session.scalars(query.order_by(Volume.created_at, Volume.id).execution_options(populate_existing=True)))


def member_ids(session: Session, group_ids: Sequence[str]) -> dict[str, list[str]]:
    """Ids of the living volumes, by group."""
    found: dict[str, list[str]] = {group_id: [] for group_id in group_ids}
    query = sa.select(Volume.group_id, Volume.id).where(Volume.group_id.in_(group_ids), Volume.deleted.is_(False))
    for group_id, volume_id in session.execute(query.order_by(Volume.created_at, Volume.id)):
        found[str(group_id)].append(volume_id)
    return found


def add(session: Session, values: Mapping[str, Any], now: datetime) -> VolumeGroup:
    """Insert a group that has been counted in its project's quota (AMOUNTS)."""
    made = VolumeGroup(**values, created_at=now)
    session.add(made)
    session.flush()
    return made


def put(session: Session, volume_ids: Sequence[str], group_id: str | None, now: datetime) -> None:
    """Make volumes members of a group, or of none."""
    session.execute(
        sa.update(Volume)
        .where(Volume.id.in_(volume_ids))
        .values(group_id=group_id, updated_at=now)
        .execution_options(synchronize_session=False)
    )


def remove(session: Session, group: VolumeGroup) -> None:
    """Delete the row and give quota back, once; what it was made from or snapshots of it are the caller's to check."""
    gone = session.execute(
        sa.delete(VolumeGroup).where(VolumeGroup.id == group.id).execution_options(synchronize_session=False)
    )
    if gone.rowcount:  # type: ignore[attr-defined]
        quotas.release(session, group.project_id, AMOUNTS)
    session.expunge(group)


def settle(session: Session, group_id: str | None, now: datetime) -> None:
    """Bring a group's status up to that of its volumes, one of which has just been made, has failed or is gone."""
    if group_id is None:
        return
    group = session.get(VolumeGroup, group_id, with_for_update=True, populate_existing=True)
    if group is None or group.status not in (GroupStatus.CREATING, GroupStatus.DELETING):
        return
    statuses = [row.status for row in members(session, group_id)]
    if group.status == GroupStatus.DELETING:
        if not statuses:
            remove(session, group)
        elif VolumeStatus.DELETING not in statuses:
            group.status, group.updated_at = GroupStatus.ERROR_DELETING, now
    elif VolumeStatus.ERROR in statuses:
        group.status, group.updated_at = GroupStatus.ERROR, now
    elif not {VolumeStatus.CREATING, VolumeStatus.DOWNLOADING}.intersection(statuses):
        group.status, group.updated_at = GroupStatus.AVAILABLE, now
    session.flush()


# ---- snapshots of groups


def has_snapshots(session: Session, group_id: str) -> bool:
    query = sa.select(VolumeGroupSnapshot.id).where(VolumeGroupSnapshot.group_id == group_id)
    return session.scalar(query.limit(1)) is not None


def get_visible_snapshot(
    session: Session, snapshot_id: str, context: RequestContext, *, lock: bool = False
) -> VolumeGroupSnapshot:
    """Raises NotFound, with the same words for a stranger's and for none."""
    found = session.get(VolumeGroupSnapshot, snapshot_id, with_for_update=lock or None, populate_existing=True)
    if found is None or not context.owns(found.project_id):
        raise NotFound(f"GroupSnapshot {snapshot_id[:64]} could not be found.")
    return found


def list_snapshots(
    session: Session, project_id: str | None, equals: Mapping[str, Any], page: paging.Page
) -> list[VolumeGroupSnapshot]:
    """Newest first. project_id None: of all projects."""
    query = sa.select(VolumeGroupSnapshot)
    if project_id is not None:
        query = query.where(VolumeGroupSnapshot.project_id == project_id)
    for name, value in equals.items():
        query = query.where(getattr(VolumeGroupSnapshot, name) == value)
    return paging.fetch(
        session, query, page, columns=SNAPSHOT_SORT_COLUMNS, default=(("created_at", True),),
        key=VolumeGroupSnapshot.id,
    )  # fmt: skip


def snapshots_of(session: Session, group_snapshot_id: str) -> list[VolumeSnapshot]:
    """The living snapshots of a group's volumes that were made together, oldest first."""
    query = sa.select(VolumeSnapshot).where(
        VolumeSnapshot.group_snapshot_id == group_snapshot_id, VolumeSnapshot.deleted.is_(False)
    )
    ordered = query.order_by(VolumeSnapshot.created_at, VolumeSnapshot.id)
    return list(session.scalars(ordered.execution_options(populate_existing=True)))


def add_snapshot(session: Session, values: Mapping[str, Any], now: datetime) -> VolumeGroupSnapshot:
    made = VolumeGroupSnapshot(**values, created_at=now)
    session.add(made)
    session.flush()
    return made


def settle_snapshot(session: Session, group_snapshot_id: str | None, now: datetime) -> None:
    """Bring a group snapshot's status up to that of its snapshots, one of which has just changed."""
    if group_snapshot_id is None:
        return
    found = session.get(VolumeGroupSnapshot, group_snapshot_id, with_for_update=True, populate_existing=True)
    if found is None or found.status not in (GroupStatus.CREATING, GroupStatus.DELETING):
        return
    statuses = [row.status for row in snapshots_of(session, group_snapshot_id)]
    if found.status == GroupStatus.DELETING:
        if not statuses:
            session.delete(found)
        elif SnapshotStatus.DELETING not in statuses:
            found.status, found.updated_at = GroupStatus.ERROR_DELETING, now
    elif SnapshotStatus.ERROR in statuses:
        found.status, found.updated_at = GroupStatus.ERROR, now
    elif SnapshotStatus.CREATING not in statuses:
        found.status, found.updated_at = GroupStatus.AVAILABLE, now
    session.flush()
