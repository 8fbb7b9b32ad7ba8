"""Snapshots of all volumes of a group, made and deleted together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from api.request import Services
from api.volume.operations import volume_create
from common.context import RequestContext
from common.db import volume_groups, volume_quota, volume_snapshots
from common.db.models import Volume, VolumeGroupSnapshot
from common.db.paging import Page
from common.errors import InvalidRequest
from common.ids import new_id
from common.volume_states import COPYABLE, GroupStatus


def list_page(
    services: Services, project_id: str | None, equals: Mapping[str, Any], page: Page
) -> list[VolumeGroupSnapshot]:
    """project_id None: of all projects."""
    with services.db.read() as session:
        return volume_groups.list_snapshots(session, project_id, equals, page)


def show(services: Services, context: RequestContext, snapshot_id: str) -> VolumeGroupSnapshot:
    """Raises NotFound."""
    with services.db.read() as session:
        return volume_groups.get_visible_snapshot(session, snapshot_id, context)


def create(
    services: Services, context: RequestContext, group_id: str, name: str | None, description: str | None
) -> VolumeGroupSnapshot:
    """Begin to make a snapshot of each volume. Raises NotFound, InvalidRequest, QuotaExceeded (413)."""

    def work(session: Session) -> tuple[VolumeGroupSnapshot, list[str]]:
        group = volume_groups.get_visible(session, group_id, context, lock=True)
        found = volume_groups.members(session, group.id)
        if not found:
            raise InvalidRequest(f"Invalid group: Cannot create group_snapshot, no volumes of group {group.id}.")
        row = {
            "id": new_id(), "group_id": group.id, "project_id": group.project_id, "user_id": context.user_id,
            "name": name, "description": description, "group_type_id": group.group_type_id,
            "status": GroupStatus.CREATING,
        }  # fmt: skip
        made = volume_groups.add_snapshot(session, row, services.clock.now())
        return made, [_snapshot(session, services, context, made, volume) for volume in found]

    made, operations = services.db.run(work)
    for operation_id in operations:
        services.bus.hint(operation_id)
    return made


def _snapshot(
    session: Session, services: Services, context: RequestContext, made: VolumeGroupSnapshot, volume: Volume
) -> str:
    """The operation that makes the snapshot of one volume."""
    if volume.status not in COPYABLE:
        raise InvalidRequest(
            f"Invalid volume: Volume {volume.id} of group {made.group_id} must be available or in-use, but is"
            f" {volume.status}."
        )
    amounts = volume_quota.with_type({"snapshots": 1, "gigabytes": volume.size_gib}, volume.volume_type_id)
    volume_create.take_quota(session, volume.project_id, amounts, services)
    row = {
        "id": new_id(), "volume_id": volume.id, "project_id": volume.project_id, "user_id": context.user_id,
        "name": made.name, "description": made.description, "size_gib": volume.size_gib,
        "group_snapshot_id": made.id,
    }  # fmt: skip
    return volume_snapshots.create(session, row, context, services.clock.now())


def delete(services: Services, context: RequestContext, snapshot_id: str) -> None:
    """Begin to delete its snapshots; it goes with the last one. Raises NotFound, InvalidRequest while it is made."""

    def work(session: Session) -> list[str]:
        found = volume_groups.get_visible_snapshot(session, snapshot_id, context, lock=True)
        if found.status in (GroupStatus.CREATING, GroupStatus.DELETING):
            raise InvalidRequest(f"Invalid group snapshot: {found.id} is {found.status}; it can not be deleted now.")
        rows = volume_groups.snapshots_of(session, found.id)
        now = services.clock.now()
        found.status, found.updated_at = GroupStatus.DELETING, now
        session.flush()
        if not rows:
            volume_groups.settle_snapshot(session, found.id, now)
        return [volume_snapshots.begin_delete(session, row, context, now).id for row in rows]

    for operation_id in services.db.run(work):
        services.bus.hint(operation_id)


def reset_status(services: Services, context: RequestContext, snapshot_id: str, status: GroupStatus) -> None:
    """Raises NotFound."""

    def work(session: Session) -> None:
        found = volume_groups.get_visible_snapshot(session, snapshot_id, context, lock=True)
        found.status, found.updated_at = status, services.clock.now()

    services.db.run(work)
