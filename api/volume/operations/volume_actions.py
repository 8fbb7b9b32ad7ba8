"""Actions on a volume: extend, upload as an image, revert, and what is only written down."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from api.image.schemas.images import READ_ONLY, RESERVED, RESERVED_PREFIX, WRITABLE
from api.request import Services
from api.volume.operations.begun import begun
from api.volume.operations.volume_create import take_quota
from api.volume.operations.volumes import edit
from common.context import RequestContext
from common.db import images, volume_attachments, volume_exports, volume_quota, volume_snapshots, volumes
from common.db.images import ImageStatus, Visibility
from common.db.models import Image, Volume
from common.errors import Forbidden, InvalidRequest, NotFound
from common.ids import new_id
from common.volume_capabilities import NBD
from common.volume_states import SnapshotStatus, VolumeAction, VolumeStatus

IMAGE_FORMATS = ("raw", "qcow2")
_NOT_ANYBODYS = ("public", "community")


def extend(services: Services, context: RequestContext, volume_id: str, size_gib: int, *, attached: bool) -> None:
    """Begin to make it larger. attached: also while a server has it (3.42). Raises NotFound, InvalidRequest, QuotaExceeded."""

    def work(session: Session) -> tuple[str, None]:
        volume = volumes.get_visible(session, volume_id, context)
        if size_gib <= volume.size_gib:
            raise InvalidRequest(
                "Invalid input received: New size for extend must be greater than current size."
                f" (current: {volume.size_gib}, extended: {size_gib})."
            )
        if volume.status == VolumeStatus.IN_USE and not attached:
            raise InvalidRequest(
                f"Invalid volume: Volume {volume.id} status must be available to extend, but current status is: in-use."
            )
        if volume.backend == NBD and len(volume_exports.of_volume(session, volume.id)) > 1:
            raise InvalidRequest(
                f"Invalid volume: Volume {volume.id} is served to several servers over NBD, and can't grow under all at"
                " once: detach it from all but one."
            )
        more = volume_quota.with_type({"gigabytes": size_gib - volume.size_gib}, volume.volume_type_id)
        take_quota(session, volume.project_id, more, services, size_gib)
        now = services.clock.now()
        return volumes.begin(session, volume, VolumeAction.EXTEND, context, now, {"size_gib": size_gib}).id, None

    begun(services, "volume_extend", work)


def revert(services: Services, context: RequestContext, volume_id: str, snapshot_id: str) -> None:
    """Begin to bring it back to its newest snapshot, as Cinder wants it. Raises NotFound, InvalidRequest."""

    def work(session: Session) -> tuple[str, None]:
        volume = volumes.get_visible(session, volume_id, context)
        snapshot = volume_snapshots.get_visible(session, snapshot_id, context)
        living = volume_snapshots.of_volume(session, volume.id)
        if not living or living[0].id != snapshot.id:
            raise InvalidRequest(
                f"Invalid input received: Specified snapshot {snapshot.id} is None or not the latest one of volume"
                f" {volume.id}."
            )
        if volume.size_gib != snapshot.size_gib:
            raise InvalidRequest(
                f"Invalid volume: Volume {volume.id} has been extended since snapshot {snapshot.id} was made: its size is"
                f" {volume.size_gib} GiB, the snapshot's {snapshot.size_gib} GiB."
            )
        now = services.clock.now()
        operation = volumes.begin(session, volume, VolumeAction.REVERT, context, now, {"snapshot_id": snapshot.id})
        available = (SnapshotStatus.AVAILABLE,)
        if not volume_snapshots.set_status(session, snapshot.id, available, SnapshotStatus.RESTORING, now):
            raise InvalidRequest(f"Invalid snapshot: Snapshot {snapshot.id} status must be available.")
        return operation.id, None

    begun(services, "volume_revert", work)


def upload(
    services: Services, context: RequestContext, volume_id: str, *, name: str, image_format: str, visibility: str,
    protected: bool, forced: bool,
) -> tuple[Volume, Image]:  # fmt: skip
    """Begin to make an image of it. forced: also while a server has it. Raises NotFound, InvalidRequest, Forbidden."""
    if image_format not in IMAGE_FORMATS:
        raise InvalidRequest(
            f"Invalid input received: Invalid disk format {image_format[:40]!r}: images of volumes are"
            f" {' or '.join(IMAGE_FORMATS)}."
        )
    if visibility in _NOT_ANYBODYS and not context.is_admin:
        raise Forbidden(f"Policy doesn't allow an image of visibility {visibility} to be made of a volume.")

    def work(session: Session) -> tuple[str, tuple[Volume, Image]]:
        volume = volumes.get_visible(session, volume_id, context)
        if volume.status == VolumeStatus.IN_USE and not forced:
            raise InvalidRequest(
                f"Invalid volume: Volume {volume.id} status must be available, but current status is: in-use; use force."
            )
        now = services.clock.now()
        image = _image(volume, name, image_format, visibility, now)
        image.protected = protected
        params = {"image_id": image.id, "image_format": image_format}
        operation = volumes.begin(session, volume, VolumeAction.UPLOAD, context, now, params)
        images.add(session, image)
        return operation.id, (volumes.get(session, volume_id), image)

    return begun(services, "volume_upload", work)


def _image(volume: Volume, name: str, image_format: str, visibility: str, now: Any) -> Image:
    said_anew = {*WRITABLE, *READ_ONLY, *RESERVED, "id", "image_id", "image_name"}
    properties = {
        key: str(value)
        for key, value in volume.image_properties.items()
        if key not in said_anew and not key.startswith((RESERVED_PREFIX, "signature_verified", "img_signature"))
    }
    return Image(
        id=new_id(), name=name, owner=volume.project_id, status=ImageStatus.QUEUED, visibility=Visibility(visibility),
        disk_format=image_format, container_format="bare", min_disk=volume.size_gib, min_ram=0, protected=False,
        os_hidden=False, properties=properties, created_at=now, updated_at=now,
    )  # fmt: skip


def set_bootable(services: Services, context: RequestContext, volume_id: str, bootable: bool) -> None:
    """Raises NotFound."""
    edit(services, context, volume_id, lambda _session, volume: setattr(volume, "bootable", bootable))


def set_read_only(services: Services, context: RequestContext, volume_id: str, read_only: bool) -> None:
    """How servers will have it from their next attachment. Raises NotFound, InvalidRequest while one has it."""

    def change(_session: Session, volume: Volume) -> None:
        if volume.status != VolumeStatus.AVAILABLE:
            raise InvalidRequest(
                f"Invalid volume: Volume {volume.id} status must be available to update readonly flag, but current"
                f" status is: {volume.status}."
            )
        volume.read_only = read_only

    edit(services, context, volume_id, change)


def set_image_metadata(
    services: Services, context: RequestContext, volume_id: str, items: Mapping[str, str]
) -> dict[str, Any]:
    """Raises NotFound."""

    def change(_session: Session, volume: Volume) -> None:
        volume.image_properties = {**volume.image_properties, **items}

    return dict(edit(services, context, volume_id, change).volumes[0].image_properties)


def unset_image_metadata(services: Services, context: RequestContext, volume_id: str, key: str) -> None:
    """Raises NotFound for the volume or the key."""

    def change(_session: Session, volume: Volume) -> None:
        if key not in volume.image_properties:
            raise NotFound(f"Volume {volume.id} has no image metadata with key {key[:80]}.")
        volume.image_properties = {each: value for each, value in volume.image_properties.items() if each != key}

    edit(services, context, volume_id, change)


def reset_status(
    services: Services, context: RequestContext, volume_id: str, *, status: str | None, attach_status: str | None,
    migration_status: str | None, says_migration: bool,
) -> None:  # fmt: skip
    """Write statuses by hand; what goes on is not ended by it. Raises NotFound, InvalidRequest."""
    if status is None and attach_status is None and not says_migration:
        raise InvalidRequest("Must specify 'status', 'attach_status' or 'migration_status' for update.")
    if status is not None and status not in {each.value for each in VolumeStatus}:
        raise InvalidRequest(f"Invalid input received: {status[:40]!r} is no status of volumes.")
    if attach_status is not None and attach_status not in ("attached", "detached"):
        raise InvalidRequest(f"Invalid input received: {attach_status[:40]!r} is neither attached nor detached.")

    def change(session: Session, volume: Volume) -> None:
        if status is not None:
            volume.status, volume.status_before = status, None
        if says_migration:
            volume.migration_status = None if migration_status == "none" else migration_status
        if attach_status == "detached":
            for row in volume_attachments.of_volume(session, volume.id):
                if row.node_name is None:  # a server's own disk is not talked away
                    volume_attachments.end(session, row.id, services.clock.now())

    edit(services, context, volume_id, change)
