"""New volumes: what a create request means, in one transaction: references, size, quota, row and operation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import Session

from api.request import Services
from api.volume.operations import quota_defaults, type_of_volume
from api.volume.operations.begun import begun
from api.volume.operations.server_snapshots import boot_snapshot
from api.volume.operations.volumes import VolumePage, of_rows
from common.context import RequestContext
from common.db import images, quotas, volume_backups, volume_quota, volume_snapshots, volume_types, volumes
from common.db import services as service_rows
from common.db.images import ImageStatus
from common.db.models import Image, VolumeBackup
from common.errors import InvalidRequest, NotFound, QuotaExceeded
from common.ids import new_id
from common.volume_capabilities import apart, asks_for
from common.volume_states import COPYABLE, BackupStatus, SnapshotStatus

DEFAULT_ZONE = "nova"
_GIB = 1024**3
_FORMATS = ("qcow2", "raw")


@dataclass(frozen=True, kw_only=True)
class NewVolume:
    """size_gib None: as large as what it is made from, of which at most one is named.

    restoring: the backup's status says so, until the volume has its bytes. images_of_servers: an image that names the
    snapshot of a server's root volume stands for that (3.46).
    """

    name: str | None = None
    description: str | None = None
    size_gib: int | None = None
    availability_zone: str | None = None
    volume_type: str | None = None
    image_id: str | None = None
    images_of_servers: bool = False
    snapshot_id: str | None = None
    source_volume_id: str | None = None
    backup_id: str | None = None
    restoring: bool = False
    group_id: str | None = None
    properties: Mapping[str, str] = field(default_factory=dict)
    multiattach: bool = False
    hints: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    """What a volume is made from. row: what the volume keeps of it. params: what its saga has to know of it."""

    size_gib: int = 0
    row: Mapping[str, Any] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)


def create(services: Services, context: RequestContext, wanted: NewVolume) -> VolumePage:
    """Raises InvalidRequest, NotFound for a reference that can't be resolved, QuotaExceeded (413)."""

    def work(session: Session) -> tuple[str, VolumePage]:
        return create_in(session, services, context, wanted)

    return begun(services, "volume_create", work)


def create_in(
    session: Session, services: Services, context: RequestContext, wanted: NewVolume, *, filling: bool = False,
    for_instance: str = "",
) -> tuple[str, VolumePage]:  # fmt: skip
    """As `create`, in the caller's transaction; the operation's id, for a hint after the commit.

    filling: the volume is one of those that a group is made with. for_instance: the new server that it is a disk of, and
    whose node is to have it, unless it is of a type whose volumes any node can have.
    """
    now = services.clock.now()
    source = _source(session, context, wanted)
    size_gib = _size(wanted, source)
    zone = zone_of(session, wanted.availability_zone)
    volume_id, project_id = new_id(), project_of(context)
    kind = type_of_volume.choose(session, context, wanted.volume_type, source.row.get("volume_type_id"))
    amounts = volume_quota.with_type({"volumes": 1, "gigabytes": size_gib}, kind.id)
    take_quota(session, project_id, amounts, services, size_gib)
    if wanted.group_id is not None:
        type_of_volume.check_group(session, context, wanted.group_id, kind.id, filling=filling)
    row = {
        "id": volume_id, "project_id": project_id, "user_id": context.user_id, "name": wanted.name,
        "description": wanted.description, "size_gib": size_gib, "availability_zone": zone,
        "multiattach": wanted.multiattach or asks_for(kind.extra_specs, "multiattach"),
        "properties": dict(wanted.properties), "group_id": wanted.group_id,
        "scheduler_hints": dict(wanted.hints), **source.row, "volume_type_id": kind.id,
    }  # fmt: skip
    params = dict(source.params)
    if for_instance:
        params |= {"for_instance": for_instance, "apart": bool(apart(kind.extra_specs))}
    operation_id = volumes.create(session, row, context, now, params)
    return operation_id, of_rows(session, [volumes.get(session, volume_id)])


def take_quota(
    session: Session, project_id: str, amounts: Mapping[str, int], services: Services, volume_gib: int = 0
) -> None:
    """Raises QuotaExceeded, which this service answers with 413; also for a volume larger than one may be."""
    limits = quota_defaults.defaults(services.config.quota)
    largest = quotas.effective_limits(session, project_id, limits)["per_volume_gigabytes"]
    if 0 <= largest < volume_gib:
        raise QuotaExceeded(
            f"Requested volume size {volume_gib}G is larger than maximum allowed limit {largest}G.", http_status=400
        )
    try:
        quotas.take(session, project_id, amounts, volume_quota.with_default_limits(amounts, limits))
    except QuotaExceeded as err:
        raise QuotaExceeded(err.message, detail=err.detail, **{**err.facts, "http_status": 413}) from err


def project_of(context: RequestContext) -> str:
    if context.project_id is None:
        raise InvalidRequest("A volume needs a project: use a token that is scoped to one.")
    return context.project_id


def zone_of(session: Session, zone: str | None) -> str:
    """Raises InvalidRequest for one that isn't there."""
    if zone is not None and zone != DEFAULT_ZONE and zone not in service_rows.zone_names(session):
        raise InvalidRequest(f"Invalid input received: Availability zone '{zone[:80]}' is invalid.")
    return zone or DEFAULT_ZONE


def _size(wanted: NewVolume, source: Source) -> int:
    if wanted.size_gib is None and (wanted.image_id or not source.size_gib):
        raise InvalidRequest("Invalid input received: Invalid volume size provided for create request: None")
    size_gib = wanted.size_gib or source.size_gib
    if size_gib < source.size_gib:
        raise InvalidRequest(
            f"Invalid input received: Volume size {size_gib}GB cannot be smaller than what it is made from, which needs"
            f" {source.size_gib}GB. They must be >= original size."
        )
    return size_gib


def _source(session: Session, context: RequestContext, wanted: NewVolume) -> Source:
    named = [each for each in (wanted.image_id, wanted.snapshot_id, wanted.source_volume_id, wanted.backup_id) if each]
    if len(named) > 1:
        raise InvalidRequest(
            "Invalid input received: a volume is made from one of image, snapshot, volume and backup only."
        )
    if wanted.image_id:
        return _from_image(session, context, wanted.image_id, of_servers=wanted.images_of_servers)
    if wanted.snapshot_id:
        return _from_snapshot(session, context, wanted.snapshot_id)
    if wanted.source_volume_id:
        return _from_volume(session, context, wanted.source_volume_id)
    if wanted.backup_id:
        return _from_backup(session, context, wanted.backup_id, restoring=wanted.restoring)
    return Source()


def _from_image(session: Session, context: RequestContext, image_id: str, *, of_servers: bool) -> Source:
    try:
        image = images.get_visible(session, image_id, context)
    except NotFound as err:
        raise InvalidRequest(f"Invalid image identifier or unable to access requested image: {image_id[:64]}") from err
    if image.status != ImageStatus.ACTIVE:
        raise InvalidRequest(f"Invalid input received: Image {image_id} is not active.")
    snapshot_id = boot_snapshot(image.properties) if of_servers else None
    if snapshot_id is not None:
        return _from_snapshot(session, context, snapshot_id)
    if image.disk_format not in _FORMATS:
        raise InvalidRequest(
            f"Invalid input received: Image {image_id} is {image.disk_format}; volumes are made from"
            f" {' and '.join(_FORMATS)} only."
        )
    needed = max(-(-max(image.size or 0, image.virtual_size or 0) // _GIB), image.min_disk, 1)
    kept = {"image_id": image.id, "bootable": True, "image_properties": image_properties(image)}
    return Source(needed, kept, {"image": images.copy_for_server(image)})


def image_properties(image: Image) -> dict[str, str]:
    """What a volume keeps of the image that its bytes are from."""
    known = {
        "image_id": image.id, "image_name": image.name or "", "checksum": image.checksum or "",
        "container_format": image.container_format or "", "disk_format": image.disk_format or "",
        "min_disk": image.min_disk, "min_ram": image.min_ram, "size": image.size or 0,
    }  # fmt: skip
    return {key: str(value) for key, value in {**image.properties, **known}.items()}


def _from_snapshot(session: Session, context: RequestContext, snapshot_id: str) -> Source:
    snapshot = volume_snapshots.get_visible(session, snapshot_id, context)
    if snapshot.status != SnapshotStatus.AVAILABLE:
        raise InvalidRequest(
            f"Invalid snapshot: Originating snapshot status must be one of 'available' values, is {snapshot.status}."
        )
    volume = volumes.get(session, snapshot.volume_id, deleted=True)
    kept = {
        "snapshot_id": snapshot.id, "bootable": volume.bootable, "image_properties": dict(volume.image_properties),
        "image_id": volume.image_id, "volume_type_id": volume.volume_type_id,
    }  # fmt: skip
    return Source(snapshot.size_gib, kept, {"snapshot_id": snapshot.id})


def _from_volume(session: Session, context: RequestContext, volume_id: str) -> Source:
    volume = volumes.get_visible(session, volume_id, context)
    if volume.status not in COPYABLE:
        raise InvalidRequest(
            f"Invalid volume: Source volume {volume.id} must be available or in-use, is {volume.status}."
        )
    kept = {
        "source_volume_id": volume.id, "bootable": volume.bootable, "image_properties": dict(volume.image_properties),
        "image_id": volume.image_id, "volume_type_id": volume.volume_type_id,
    }  # fmt: skip
    return Source(volume.size_gib, kept, {"source_volume_id": volume.id})


def readable_backup(
    session: Session, context: RequestContext, backup_id: str, *, restoring: bool = False
) -> VolumeBackup:
    """The locked backup, if a volume can be made of it. restoring: it was seen to be, and says by now that it is.

    Raises NotFound, InvalidRequest.
    """
    backup = volume_backups.get_visible(session, backup_id, context, lock=True)
    if backup.status != (BackupStatus.RESTORING if restoring else BackupStatus.AVAILABLE) or not backup.whole:
        raise InvalidRequest(
            f"Invalid backup: Backup status must be {BackupStatus.AVAILABLE}, but current status is: {backup.status}."
        )
    return backup


def _from_backup(session: Session, context: RequestContext, backup_id: str, *, restoring: bool) -> Source:
    backup = readable_backup(session, context, backup_id, restoring=restoring)
    was = backup.volume_properties
    kept = {
        "bootable": bool(was.get("bootable")), "image_properties": dict(was.get("image_properties", {})),
        "image_id": was.get("image_id"), "volume_type_id": _type_that_is(session, was.get("volume_type_id")),
    }  # fmt: skip
    return Source(backup.size_gib, kept, {"backup_id": backup.id, "restoring": restoring})


def _type_that_is(session: Session, type_id: str | None) -> str | None:
    """The type the backed-up volume had, unless it is gone by now."""
    try:
        return volume_types.get(session, type_id).id if type_id else None
    except NotFound:
        return None
