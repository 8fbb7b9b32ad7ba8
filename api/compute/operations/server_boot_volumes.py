"""The volumes that a server is created with: those that are there are reserved for it, others are begun to be made.

All of it in the transaction that creates the server, by the operations of the block storage service, so that quota and
refusals are the same as for volumes that are made by themselves. The server's saga has them made on its node and waits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from api.compute.operations import server_references
from api.compute.operations.server_disks import INVALID, Device, Disks
from api.compute.operations.server_volumes import check_certificate, reserve
from api.request import Services
from api.volume.operations.volume_create import NewVolume, create_in
from common.context import RequestContext
from common.db import nodes, volume_attachments, volume_snapshots, volume_types, volumes
from common.db import services as service_rows
from common.db.models import Flavor, Image, Volume
from common.errors import InvalidRequest, NotFound, QuotaExceeded
from common.hardware import reading
from common.ids import new_id
from common.volume_capabilities import NBD, RBD
from common.volume_capabilities import apart as apart_backends
from common.volume_states import AttachStatus, VolumeStatus

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_PREFIXES = {"virtio": "vd", "scsi": "sd", "sata": "sd", "usb": "sd", "ide": "hd"}
#: what block storage notes of an image beside the image's own properties
_OF_THE_IMAGE = (
    "image_id", "image_name", "checksum", "container_format", "disk_format", "min_disk", "min_ram", "size",
    "signature_verified",
)  # fmt: skip


@dataclass(frozen=True)
class Made:
    """volume_ids: of volumes that are made for the server. apart: those of them that need not be on its node.

    operation_ids: to be hinted after the commit.
    """

    volume_ids: tuple[str, ...] = ()
    apart: tuple[str, ...] = ()
    operation_ids: tuple[str, ...] = ()


def image_copy(
    session: Session, context: RequestContext, root: Device, image: Image | None, flavor: Flavor
) -> dict[str, Any]:
    """What a server that boots from a volume keeps as its image: what the volume's bytes say of the guest's hardware.

    Raises InvalidRequest for a source that is not there or can't be booted, or that the flavor is too small for.
    """
    if root.source == "image":
        source = _image(session, context, root.source_id)
        if root.size is not None and root.size < source.min_disk:
            raise InvalidRequest(
                f"Volume is smaller than the minimum size specified in image metadata. Volume size is {root.size} GiB, "
                f"minimum size is {source.min_disk} GiB."
            )
        copy, min_ram = server_references.image_copy(source), source.min_ram
    else:
        kept = _kept_properties(session, context, root, named=image is not None)
        min_ram = int(kept.get("min_ram") or 0)
        copy = {"properties": {name: value for name, value in kept.items() if name not in _OF_THE_IMAGE}}
    if image is not None:
        min_ram = max(min_ram, image.min_ram)
    if flavor.memory_mib < min_ram:
        raise InvalidRequest("Flavor's memory is too small for requested image.")
    copy |= {"volume_backed": True, "min_ram": min_ram, "min_disk": 0}
    reading.read(server_references.flavor_copy(flavor), copy)
    return copy


def _image(session: Session, context: RequestContext, image_id: str) -> Image:
    try:
        return server_references.image(session, image_id, context)
    except InvalidRequest as err:
        raise InvalidRequest(f"{INVALID}failed to get image {image_id[:64]}.", detail=err.message) from err


def _kept_properties(session: Session, context: RequestContext, root: Device, *, named: bool) -> Mapping[str, Any]:
    """What the volume, or the volume of the snapshot, knows of the image it was made from.

    named: the request names an image beside it, so that whether the volume is bootable is the user's business.
    """
    if root.source == "blank":
        return {}
    if root.source == "snapshot":
        try:
            snapshot = volume_snapshots.get_visible(session, root.source_id, context)
        except NotFound as err:
            raise InvalidRequest(f"{INVALID}failed to get snapshot {root.source_id[:64]}.") from err
        volume = volumes.get(session, snapshot.volume_id, deleted=True)
    else:
        volume = _volume(session, context, root.source_id)
    if not volume.bootable and not named:
        raise InvalidRequest(f"Block Device {root.source_id} is not bootable.")
    return dict(volume.image_properties)


def _volume(session: Session, context: RequestContext, volume_id: str) -> Volume:
    try:
        return volumes.get_for_update(session, volume_id, context)
    except NotFound as err:
        raise InvalidRequest(f"{INVALID}failed to get volume {volume_id[:64]}.") from err


def check_places(session: Session, context: RequestContext, disks: Disks, zone: str | None) -> None:
    """Volumes that are there are all within reach of one node, in the zone that is asked for, or of any node.

    Raises InvalidRequest, Conflict.
    """
    homes: dict[str, str] = {}
    for device in disks.volumes:
        if device.source != "volume":
            continue
        volume = _volume(session, context, device.source_id)
        node = nodes.get(session, volume.node_id) if volume.node_id else None
        if volume.backend == NBD and node is not None:
            check_certificate(volume, node)
            continue
        if node is None or volume.backend == RBD or node.inventory.get("shared_volumes"):
            continue
        homes[volume.id] = node.id
        its_zone = service_rows.get_node(session, node.id)[1].availability_zone
        if zone is not None and its_zone != zone:
            raise InvalidRequest(
                f"Invalid volume: Server and volume not in the same availability zone. Server is in {zone}. Volume "
                f"{volume.id} is in {its_zone}."
            )
    if len(set(homes.values())) > 1:
        raise InvalidRequest(
            f"Invalid volume: volumes {', '.join(sorted(homes))} are on different nodes, which do not share their volumes: "
            "no server can have them all."
        )


def add(
    session: Session, services: Services, context: RequestContext, disks: Disks, row: Mapping[str, Any],
    zone: str | None, *, multiattach: bool, now: datetime,
) -> Made:  # fmt: skip
    """Reserve the server's volumes, and begin those that are to be made. row: the server's columns.

    Raises InvalidRequest, QuotaExceeded.
    """
    made, apart, begun = [], [], []
    for device, name in zip(disks.volumes, _names(disks, row), strict=True):
        if device.source == "volume":
            volume = _reserved(session, context, device, multiattach=multiattach, now=now)
        else:
            operation_id, volume = _begun(session, services, context, device, zone, row["id"])
            made.append(volume.id)
            begun.append(operation_id)
            if apart_backends(volume_types.specs_of(session, volume.volume_type_id)):
                apart.append(volume.id)
        attachment = {
            "id": new_id(), "volume_id": volume.id, "project_id": volume.project_id, "instance_id": row["id"],
            "status": AttachStatus.RESERVED, "mode": "ro" if volume.read_only else "rw", "device": name[0],
            "bus": name[1], "device_type": device.device_type, "tag": device.tag, "node_name": "",
            "boot_index": device.boot_index if device.boot_index >= 0 else None,
            "delete_on_termination": device.delete_on_termination, "connector": {"instance": row["id"]},
        }  # fmt: skip
        volume_attachments.add(session, attachment, now)
    return Made(tuple(made), tuple(apart), tuple(begun))


def _reserved(session: Session, context: RequestContext, device: Device, *, multiattach: bool, now: datetime) -> Volume:
    volume = _volume(session, context, device.source_id)
    if volume.multiattach and not multiattach:
        raise InvalidRequest("Multiattach volumes are only supported starting with compute API version 2.60.")
    reserve(session, volume, VolumeStatus.RESERVED, now)
    return volume


def _begun(
    session: Session, services: Services, context: RequestContext, device: Device, zone: str | None, instance_id: str
) -> tuple[str, Volume]:
    wanted = NewVolume(
        name="", description="", size_gib=device.size, availability_zone=zone, volume_type=device.volume_type,
        image_id=device.source_id if device.source == "image" else None,
        snapshot_id=device.source_id if device.source == "snapshot" else None,
    )  # fmt: skip
    try:
        operation_id, page = create_in(session, services, context, wanted, for_instance=instance_id)
    except NotFound as err:
        if device.source == "snapshot" and "napshot" in err.message:
            raise InvalidRequest(f"{INVALID}failed to get snapshot {device.source_id[:64]}.") from err
        raise InvalidRequest(f"{INVALID}{err.message}") from err
    except QuotaExceeded as err:  # the compute service's status for it
        raise QuotaExceeded(err.message, detail=err.detail) from err
    return operation_id, page.volumes[0]


def _names(disks: Disks, row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(device, bus) of each volume: the first name for the one that is booted from, then those after the node's disks."""
    flavor = row["flavor"]
    usual = reading.read(flavor, row["image"]).guest.disk_bus.value
    ephemeral = len(disks.ephemeral_gib) or bool(flavor.get("ephemeral_gib"))
    swap = bool(flavor.get("swap_mib") if disks.swap_mib is None else disks.swap_mib)
    free = 1 + ephemeral + swap + bool(row["config_drive"])
    names: list[tuple[str, str]] = []
    for device in disks.volumes:
        bus = device.bus or ("sata" if device.device_type == "cdrom" else usual)
        if device.boot_index == 0:
            names.append((_PREFIXES[bus] + _LETTERS[0], bus))
            continue
        if free >= len(_LETTERS) - 1:
            raise InvalidRequest(f"{INVALID}a server has no room for so many disks.")
        names.append((_PREFIXES[bus] + _LETTERS[free], bus))
        free += 1
    return names
