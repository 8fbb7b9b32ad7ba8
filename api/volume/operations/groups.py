"""Groups of volumes: made empty or from another, filled and emptied, deleted with or without their volumes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import Session

from api.request import Services
from api.volume.operations import volume_create
from api.volume.operations.volume_create import NewVolume
from common.context import RequestContext
from common.db import volume_attachments, volume_group_types, volume_groups, volume_types, volumes
from common.db.models import Volume, VolumeGroup
from common.db.paging import Page
from common.errors import InvalidRequest
from common.ids import new_id
from common.volume_states import GroupStatus, VolumeAction, VolumeStatus

#: statuses of volumes that may join or leave a group
_MOVABLE = (VolumeStatus.AVAILABLE, VolumeStatus.IN_USE)


@dataclass(frozen=True, kw_only=True)
class NewGroup:
    name: str | None = None
    description: str | None = None
    group_type: str = ""
    volume_types: Sequence[str] = ()
    availability_zone: str | None = None


@dataclass(frozen=True, kw_only=True)
class GroupChange:
    """names: name and description where they are to change. add, remove: ids of volumes."""

    names: Mapping[str, str | None] = field(default_factory=dict)
    add: Sequence[str] = ()
    remove: Sequence[str] = ()


@dataclass(frozen=True)
class GroupPage:
    groups: Sequence[VolumeGroup]
    member_ids: Mapping[str, Sequence[str]] = field(default_factory=dict)


def list_page(
    services: Services, project_id: str | None, equals: Mapping[str, Any], page: Page, *, with_members: bool
) -> GroupPage:
    """project_id None: of all projects."""
    with services.db.read() as session:
        found = volume_groups.list_page(session, project_id, equals, page)
        ids = [row.id for row in found]
        return GroupPage(found, volume_groups.member_ids(session, ids) if with_members else {})


def show(services: Services, context: RequestContext, group_id: str) -> GroupPage:
    """Raises NotFound."""
    with services.db.read() as session:
        found = volume_groups.get_visible(session, group_id, context)
        return GroupPage([found], volume_groups.member_ids(session, [found.id]))


def create(services: Services, context: RequestContext, wanted: NewGroup) -> VolumeGroup:
    """Raises NotFound for a type, InvalidRequest, QuotaExceeded (413)."""

    def work(session: Session) -> VolumeGroup:
        group_type = volume_group_types.find_visible(session, wanted.group_type, context)
        types = [volume_types.find_visible(session, each, context).id for each in wanted.volume_types]
        zone = volume_create.zone_of(session, wanted.availability_zone)
        return _add(
            session, services, context, name=wanted.name, description=wanted.description, group_type_id=group_type.id,
            volume_types=types, availability_zone=zone, status=GroupStatus.AVAILABLE,
        )  # fmt: skip

    return services.db.run(work)


def _add(session: Session, services: Services, context: RequestContext, **values: Any) -> VolumeGroup:
    project_id = volume_create.project_of(context)
    volume_create.take_quota(session, project_id, volume_groups.AMOUNTS, services)
    row = {"id": new_id(), "project_id": project_id, "user_id": context.user_id, **values}
    return volume_groups.add(session, row, services.clock.now())


def update(services: Services, context: RequestContext, group_id: str, change: GroupChange) -> None:
    """Raises NotFound, InvalidRequest for a volume that can't join or leave."""

    def work(session: Session) -> None:
        group = volume_groups.get_visible(session, group_id, context, lock=True)
        if group.status != GroupStatus.AVAILABLE:
            raise InvalidRequest(f"Invalid group: Group {group.id} must be available, but is {group.status}.")
        now = services.clock.now()
        joining = [_joinable(session, group, each, context) for each in change.add]
        leaving = [_leavable(session, group, each, context) for each in change.remove]
        volume_groups.put(session, [volume.id for volume in joining], group.id, now)
        volume_groups.put(session, [volume.id for volume in leaving], None, now)
        for name, value in change.names.items():
            setattr(group, name, value)
        group.updated_at = now

    services.db.run(work)


def _joinable(session: Session, group: VolumeGroup, volume_id: str, context: RequestContext) -> Volume:
    volume = volumes.get_for_update(session, volume_id, context)
    if volume.project_id != group.project_id or volume.group_id is not None:
        raise InvalidRequest(
            f"Invalid volume: Cannot add volume {volume.id} to group {group.id}: it has another owner."
        )
    if volume.volume_type_id not in group.volume_types:
        raise InvalidRequest(
            f"Invalid volume: Cannot add volume {volume.id} to group {group.id}: its type {volume.volume_type_id} is not"
            " one of the group's."
        )
    return _resting(volume, group)


def _leavable(session: Session, group: VolumeGroup, volume_id: str, context: RequestContext) -> Volume:
    volume = volumes.get_for_update(session, volume_id, context)
    if volume.group_id != group.id:
        raise InvalidRequest(f"Invalid volume: Volume {volume.id} is not in group {group.id}.")
    return _resting(volume, group)


def _resting(volume: Volume, group: VolumeGroup) -> Volume:
    if volume.status not in _MOVABLE:
        raise InvalidRequest(
            f"Invalid volume: Volume {volume.id} is {volume.status}; group {group.id} changes when it is available or"
            " in-use."
        )
    return volume


def delete(services: Services, context: RequestContext, group_id: str, *, with_volumes: bool) -> None:
    """Begin to delete the volumes; the group goes with the last one.

    Raises NotFound, InvalidRequest for a group that has snapshots, attached volumes, or any volumes unless they are to
    go with it.
    """

    def work(session: Session) -> list[str]:
        group = volume_groups.get_visible(session, group_id, context, lock=True)
        found = volume_groups.members(session, group.id)
        if found and not with_volumes:
            raise InvalidRequest(
                f"Invalid group: Group {group.id} still contains volumes. The delete-volumes flag is required to delete it."
            )
        if volume_groups.has_snapshots(session, group.id):
            raise InvalidRequest(f"Invalid group: Group {group.id} has dependent group snapshots.")
        if not found:
            volume_groups.remove(session, group)
            return []
        group.status, group.updated_at = GroupStatus.DELETING, services.clock.now()
        session.flush()
        return [_delete(session, services, volume, context) for volume in found]

    for operation_id in services.db.run(work):
        services.bus.hint(operation_id)


def _delete(session: Session, services: Services, volume: Volume, context: RequestContext) -> str:
    attached = volume_attachments.of_volume(session, volume.id)
    if attached or volumes.has_snapshots(session, volume.id):
        what = "attached to a server" if attached else "in possession of snapshots"
        raise InvalidRequest(f"Invalid group: Volume {volume.id} of group {volume.group_id} is {what}.")
    return volumes.begin(session, volume, VolumeAction.DELETE, context, services.clock.now(), {"cascade": False}).id


def reset_status(services: Services, context: RequestContext, group_id: str, status: GroupStatus) -> None:
    """Raises NotFound."""

    def work(session: Session) -> None:
        group = volume_groups.get_visible(session, group_id, context, lock=True)
        group.status, group.updated_at = status, services.clock.now()

    services.db.run(work)


def create_from_group(
    services: Services, context: RequestContext, source_id: str, name: str | None, description: str | None
) -> VolumeGroup:
    """A group of copies of another's volumes. Raises NotFound, InvalidRequest, QuotaExceeded (413)."""

    def work(session: Session) -> tuple[VolumeGroup, list[str]]:
        source = volume_groups.get_visible(session, source_id, context)
        copied = [
            (row.volume_type_id, {"source_volume_id": row.id}) for row in volume_groups.members(session, source.id)
        ]
        made = {"name": name, "description": description, "source_group_id": source.id}
        return _copy(session, services, context, source, copied, made)

    return _hinted(services, work)


def create_from_snapshot(
    services: Services, context: RequestContext, snapshot_id: str, name: str | None, description: str | None
) -> VolumeGroup:
    """A group of volumes as they were. Raises NotFound, InvalidRequest, QuotaExceeded (413)."""

    def work(session: Session) -> tuple[VolumeGroup, list[str]]:
        taken = volume_groups.get_visible_snapshot(session, snapshot_id, context)
        if taken.status != GroupStatus.AVAILABLE:
            raise InvalidRequest(f"Invalid group snapshot: {taken.id} must be available, but is {taken.status}.")
        source = volume_groups.get_visible(session, taken.group_id, context)
        copied = [
            (volumes.get(session, row.volume_id, deleted=True).volume_type_id, {"snapshot_id": row.id})
            for row in volume_groups.snapshots_of(session, taken.id)
        ]
        made = {"name": name, "description": description, "group_snapshot_id": taken.id}
        return _copy(session, services, context, source, copied, made)

    return _hinted(services, work)


def _copy(
    session: Session, services: Services, context: RequestContext, source: VolumeGroup,
    copied: Sequence[tuple[str | None, dict[str, str]]], made: dict[str, Any],
) -> tuple[VolumeGroup, list[str]]:  # fmt: skip
    """copied: for each volume its type, and what it is made from."""
    if not copied:
        raise InvalidRequest("Invalid group: its source is empty, so that no group can be created from it.")
    group = _add(
        session, services, context, group_type_id=source.group_type_id, volume_types=list(source.volume_types),
        availability_zone=source.availability_zone, status=GroupStatus.CREATING, **made,
    )  # fmt: skip
    operations = []
    for type_id, origin in copied:
        wanted = NewVolume(name=group.name, volume_type=type_id, group_id=group.id, **origin)  # type: ignore[arg-type]
        operations.append(volume_create.create_in(session, services, context, wanted, filling=True)[0])
    return group, operations


def _hinted(services: Services, work: Any) -> VolumeGroup:
    group: VolumeGroup
    group, operations = services.db.run(work)
    for operation_id in operations:
        services.bus.hint(operation_id)
    return group
