"""Attachments as records: of servers' disks, which the compute service makes, and of what others attach by themselves.

What a server has as a disk is detached by the compute service only: a record that lied about it would let the volume be
given to somebody else while the guest still writes to it (security case VOL-01).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from api.request import Services
from common.context import RequestContext
from common.db import instances, paging, volume_attachments, volumes
from common.db.models import Volume, VolumeAttachment
from common.errors import Conflict, InvalidRequest, NotFound
from common.ids import new_id
from common.volume_states import BY_ATTACHMENTS, AttachStatus, VolumeStatus

_FREE = (VolumeStatus.AVAILABLE,)


def list_page(
    services: Services, context: RequestContext, equals: Mapping[str, Any], page: paging.Page, *, everybody: bool
) -> list[VolumeAttachment]:
    """Raises InvalidRequest for an unknown sort key or marker."""
    if page.limit == 0:
        return []
    with services.db.read() as session:
        project_id = None if everybody else (context.project_id or "")
        return volume_attachments.list_page(session, project_id, equals, page)


def show(services: Services, context: RequestContext, attachment_id: str) -> VolumeAttachment:
    """Raises NotFound."""
    with services.db.read() as session:
        return volume_attachments.get_visible(session, attachment_id, context)


def create(
    services: Services, context: RequestContext, volume_id: str, instance_id: str | None,
    connector: Mapping[str, Any] | None, mode: str,
) -> VolumeAttachment:  # fmt: skip
    """Reserve a volume for a server; with a connector it is being attached. Raises NotFound, InvalidRequest, Conflict."""

    def work(session: Session) -> VolumeAttachment:
        now = services.clock.now()
        volume = volumes.get_for_update(session, volume_id, context)
        if instance_id is not None and volume_attachments.find(session, instance_id, volume.id):
            raise InvalidRequest(
                f"Invalid volume: Volume {volume.id} is attached to server {instance_id} or reserved for it already."
            )
        reserve(session, volume, now)
        status = AttachStatus.ATTACHING if connector else AttachStatus.RESERVED
        return volume_attachments.add(
            session,
            {
                "id": new_id(), "volume_id": volume.id, "project_id": volume.project_id, "instance_id": instance_id,
                "status": status, "mode": mode_of(volume, mode), "connector": dict(connector or {}),
            },
            now,
        )  # fmt: skip

    return services.db.run(work)


def reserve(session: Session, volume: Volume, now: Any) -> None:
    """The volume is spoken for. Raises InvalidRequest when it can't be: in use by another, or busy."""
    if volumes.set_status(session, volume.id, _FREE, VolumeStatus.RESERVED, now):
        return
    if volume.multiattach and volume.status in BY_ATTACHMENTS:
        return
    raise InvalidRequest(
        f"Invalid volume: Volume {volume.id} status must be available or downloading to reserve, but the current status"
        f" is {volume.status}."
    )


def mode_of(volume: Volume, wanted: str) -> str:
    """Raises InvalidRequest when a volume that is read-only is to be written."""
    if volume.read_only:
        return "ro"
    return wanted


def connect(
    services: Services, context: RequestContext, attachment_id: str, connector: Mapping[str, Any]
) -> VolumeAttachment:
    """Where it will be attached. Raises NotFound, InvalidRequest."""

    def work(session: Session) -> VolumeAttachment:
        now = services.clock.now()
        found = volume_attachments.get_visible(session, attachment_id, context)
        _refuse_servers_own(found)
        starts = (AttachStatus.RESERVED, AttachStatus.ATTACHING)
        if not volume_attachments.move(
            session, found.id, starts, AttachStatus.ATTACHING, now, connector=dict(connector)
        ):
            raise InvalidRequest(f"Invalid volume attachment: attachment {found.id} is {found.status}.")
        volumes.set_status(session, found.volume_id, (VolumeStatus.RESERVED,), VolumeStatus.ATTACHING, now)
        return volume_attachments.get(session, attachment_id)

    return services.db.run(work)


def complete(services: Services, context: RequestContext, attachment_id: str) -> None:
    """It is attached. Raises NotFound, InvalidRequest."""

    def work(session: Session) -> None:
        now = services.clock.now()
        found = volume_attachments.get_visible(session, attachment_id, context)
        starts = (AttachStatus.RESERVED, AttachStatus.ATTACHING)
        if not volume_attachments.move(session, found.id, starts, AttachStatus.ATTACHED, now, attached_at=now):
            raise InvalidRequest(f"Invalid volume attachment: attachment {found.id} is {found.status}.")
        settle(session, found.volume_id, now)

    services.db.run(work)


def delete(services: Services, context: RequestContext, attachment_id: str) -> list[VolumeAttachment]:
    """End it; those that are left of the volume. Raises NotFound, Conflict for a server's disk."""

    def work(session: Session) -> list[VolumeAttachment]:
        found = volume_attachments.get_visible(session, attachment_id, context)
        return end(session, services, found)

    return services.db.run(work)


def end(
    session: Session, services: Services, found: VolumeAttachment, *, forced: bool = False
) -> list[VolumeAttachment]:
    """In the caller's transaction. forced: also what is held of a deleted server. Raises Conflict for a server's disk."""
    if not (forced and found.held_by):
        _refuse_servers_own(found)
    now = services.clock.now()
    volume_attachments.end(session, found.id, now)
    settle(session, found.volume_id, now)
    return volume_attachments.of_volume(session, found.volume_id)


def settle(session: Session, volume_id: str, now: Any) -> None:
    """The volume's status as its attachments have it, if nothing else is being done with it."""
    volumes.settle(session, volume_id, now)


def _refuse_servers_own(found: VolumeAttachment) -> None:
    if found.node_name is not None:
        raise Conflict(
            f"Volume {found.volume_id} is a disk of server {found.instance_id}: detach it there (openstack server remove"
            " volume)."
        )


def attach_by_record(
    services: Services, context: RequestContext, volume_id: str, *, instance_id: str | None, mountpoint: str | None,
    host_name: str | None, mode: str,
) -> None:  # fmt: skip
    """The older os-attach: somebody has attached it. Raises NotFound, InvalidRequest."""
    if not instance_id and not host_name:
        raise InvalidRequest("Invalid request to attach volume to an invalid target.")

    def work(session: Session) -> None:
        now = services.clock.now()
        volume = volumes.get_for_update(session, volume_id, context)
        if instance_id and context.project_id and _is_strangers(session, instance_id, context):
            raise NotFound(f"Instance {instance_id[:64]} could not be found.")
        if volume.read_only and mode == "rw":
            raise InvalidRequest(f"Invalid attaching mode 'rw' for volume {volume.id}, which is read-only.")
        starts = (VolumeStatus.AVAILABLE, VolumeStatus.RESERVED, VolumeStatus.ATTACHING)
        if not volumes.set_status(session, volume.id, starts, VolumeStatus.IN_USE, now):
            raise InvalidRequest(f"Invalid volume: Volume {volume.id} is {volume.status}.")
        device = (mountpoint or "").removeprefix("/dev/") or None
        volume_attachments.add(
            session,
            {
                "id": new_id(), "volume_id": volume.id, "project_id": volume.project_id, "instance_id": instance_id,
                "status": AttachStatus.ATTACHED, "mode": mode, "device": device[:64] if device else None,
                "connector": {"host": host_name} if host_name else {}, "attached_at": now,
            },
            now,
        )  # fmt: skip

    services.db.run(work)


def _is_strangers(session: Session, instance_id: str, context: RequestContext) -> bool:
    try:
        instances.get_visible(session, instance_id, context)
    except NotFound:
        try:
            instances.get(session, instance_id, deleted=True)
        except NotFound:
            return False  # a guest of somebody else's making
        return True
    return False


def detach_by_record(
    services: Services, context: RequestContext, volume_id: str, attachment_id: str | None, *, forced: bool = False
) -> None:
    """The older os-detach. forced: also from a deleted server whose node does not answer, on an administrator's word.

    Raises NotFound, InvalidRequest, Conflict for a server's disk.
    """

    def work(session: Session) -> None:
        volume = volumes.get_for_update(session, volume_id, context)
        rows = volume_attachments.of_volume(session, volume.id)
        chosen = [row for row in rows if attachment_id in (None, row.id)]
        if attachment_id is None and len(chosen) > 1:
            raise InvalidRequest(f"Invalid volume: Volume {volume.id} has several attachments: name one.")
        if attachment_id is not None and not chosen:
            other = volume_attachments.get_visible(session, attachment_id, context)
            raise InvalidRequest(f"Invalid input received: Attachment {other.id} is not one of volume {volume.id}.")
        for row in chosen:
            end(session, services, row, forced=forced)
        if not chosen:
            volumes.settle(session, volume.id, services.clock.now())

    services.db.run(work)


def disconnect(services: Services, context: RequestContext, volume_id: str) -> None:
    """The older end of a connection, which here ends with the attachment. Raises NotFound, Conflict for a server's disk."""

    def work(session: Session) -> None:
        volume = volumes.get_visible(session, volume_id, context)
        for row in volume_attachments.of_volume(session, volume.id):
            _refuse_servers_own(row)

    services.db.run(work)


def move(
    services: Services, context: RequestContext, volume_id: str, starts: tuple[VolumeStatus, ...], to: VolumeStatus
) -> None:
    """The older steps of attaching, as statuses: reserve, unreserve, begin and roll back.

    Raises NotFound, InvalidRequest, Conflict for a server's disk.
    """

    def work(session: Session) -> None:
        volume = volumes.get_for_update(session, volume_id, context)
        for row in volume_attachments.of_volume(session, volume.id):
            _refuse_servers_own(row)
        if not volumes.set_status(session, volume.id, starts, to, services.clock.now()):
            raise InvalidRequest(
                f"Invalid volume: Volume {volume.id} status must be {' or '.join(starts)}, but current status is:"
                f" {volume.status}."
            )

    services.db.run(work)
