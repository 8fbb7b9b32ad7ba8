"""The disks of a new server: what the request says of them, what its image adds, and what may not go together.

Sources of rules and words: Nova's API reference ("Create Server", block_device_mapping_v2) and its answers. A server
boots from the device of boot_index 0: its image's disk on the node, or a volume.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from common.errors import InvalidRequest

INVALID = "Block Device Mapping is Invalid: "
BUSES = ("virtio", "scsi", "sata", "ide", "usb")
_SOURCES = ("image", "snapshot", "volume", "blank")
_FORMATS = ("ext4", "", None)
_MOST_GIB = 10**6


@dataclass(frozen=True, kw_only=True)
class Device:
    """One entry. size: GiB, of swap MiB; None: as the source. is_volume: else a disk of the node's own.

    bus "": as the image says, else virtio. boot_index -1: the guest is not booted from it.
    """

    source: str
    source_id: str = ""
    is_volume: bool = True
    size: int | None = None
    volume_type: str | None = None
    boot_index: int = -1
    delete_on_termination: bool = False
    name: str = ""
    bus: str = ""
    device_type: str = "disk"
    tag: str | None = None
    is_swap: bool = False

    @property
    def is_root_image(self) -> bool:
        return self.source == "image" and not self.is_volume


@dataclass(frozen=True)
class WantedDisks:
    """As the request has it. image_id "": none. multiattach: the client knows of volumes for several servers."""

    image_id: str
    devices: tuple[Device, ...] = ()
    multiattach: bool = False


@dataclass(frozen=True)
class Disks:
    """As they are to be. ephemeral_gib: sizes; (): the flavor's in one piece. swap_mib: None: the flavor's.

    volumes: the one that is booted from first, if there is one.
    """

    ephemeral_gib: tuple[int, ...] = ()
    swap_mib: int | None = None
    volumes: tuple[Device, ...] = ()

    @property
    def root(self) -> Device | None:
        """The volume that the server boots from; None: it has a disk made of its image."""
        return self.volumes[0] if self.volumes and self.volumes[0].boot_index == 0 else None


def read_device(entry: Mapping[str, Any]) -> Device:
    """Raises InvalidRequest for an entry that can't be, whatever else there is."""
    source = str(entry.get("source_type") or "")
    source_id = str(entry.get("uuid") or "")
    if source not in _SOURCES:
        raise InvalidRequest(f"{INVALID}Some required fields are missing (source_type).")
    if source == "blank" and source_id:
        raise InvalidRequest(f"{INVALID}Invalid device UUID.")
    if source != "blank" and not source_id:
        source_id = str(entry.get(f"{source}_id") or "")
        if not source_id:
            raise InvalidRequest(f"{INVALID}Missing device UUID.")
    default = "volume" if source in ("volume", "snapshot") else "local"
    is_volume = (entry.get("destination_type") or default) == "volume"
    if source in ("volume", "snapshot") and not is_volume:
        raise InvalidRequest(f"{INVALID}a {source} can't be a local disk (destination_type must be volume).")
    volume_type = entry.get("volume_type") or None
    if volume_type and not is_volume:
        raise InvalidRequest(f"{INVALID}Specifying a volume_type with destination_type=local is not supported.")
    if volume_type and source == "volume":
        raise InvalidRequest(f"{INVALID}Specifying volume type to existing volume is not supported.")
    device = Device(
        source=source, source_id=source_id, is_volume=is_volume, size=_size(entry, source, is_volume),
        volume_type=volume_type, boot_index=_boot_index(entry),
        delete_on_termination=_is_true(entry.get("delete_on_termination")), name=_name(entry), bus=_bus(entry),
        device_type=_device_type(entry, is_volume), tag=entry.get("tag") or None,
        is_swap=source == "blank" and not is_volume and entry.get("guest_format") == "swap",
    )  # fmt: skip
    if source == "blank" and not is_volume:
        _check_blank(entry, device)
    return device


def _boot_index(entry: Mapping[str, Any]) -> int:
    index = entry.get("boot_index")
    try:
        return -1 if index is None else max(-1, int(index))
    except ValueError as err:
        raise InvalidRequest(f"{INVALID}Boot index is invalid.") from err


def _size(entry: Mapping[str, Any], source: str, is_volume: bool) -> int | None:
    text = str(entry.get("volume_size") if entry.get("volume_size") is not None else "")
    if text and not (text.isascii() and text.isdigit() and int(text) < _MOST_GIB):
        raise InvalidRequest(f"{INVALID}Invalid volume_size: a whole number is needed, not {text[:12]!r}.")
    size = int(text) if text else 0
    if size == 0 and is_volume and source == "image":
        raise InvalidRequest(
            f"{INVALID}Images with destination_type 'volume' need to have a non-zero size specified (volume_size)."
        )
    if size == 0 and is_volume and source == "blank":
        raise InvalidRequest(
            f"{INVALID}Blank volumes (source: 'blank', dest: 'volume') need to have non-zero size (volume_size)."
        )
    if size == 0 and not is_volume and source == "blank":
        raise InvalidRequest(f"{INVALID}volume_size of a blank disk must be a whole number above 0, not {text!r}.")
    return size or None


def _name(entry: Mapping[str, Any]) -> str:
    name = str(entry.get("device_name") or "")
    if " " in name:
        raise InvalidRequest(f"{INVALID}Device name contains spaces.")
    return name.removeprefix("/dev/")


def _bus(entry: Mapping[str, Any]) -> str:
    bus = str(entry.get("disk_bus") or "")
    if bus and bus not in BUSES:
        raise InvalidRequest(f"{INVALID}The provided disk bus {bus[:32]} is not valid: {', '.join(BUSES)} are.")
    return bus


def _device_type(entry: Mapping[str, Any], is_volume: bool) -> str:
    kind = str(entry.get("device_type") or "disk")
    if kind not in ("disk", "cdrom") or (kind == "cdrom" and not is_volume):
        raise InvalidRequest(f"{INVALID}device_type {kind[:32]!r} is not supported: disk is, and cdrom for volumes.")
    if kind == "cdrom" and entry.get("disk_bus") == "virtio":
        raise InvalidRequest(f"{INVALID}a cdrom can't be on the bus virtio.")
    return kind


def _check_blank(entry: Mapping[str, Any], device: Device) -> None:
    if device.boot_index >= 0:
        raise InvalidRequest(f"{INVALID}a blank disk can't be booted: its boot_index must be -1.")
    if entry.get("guest_format") not in (*_FORMATS, "swap"):
        raise InvalidRequest(f"{INVALID}ephemeral disks are formatted as ext4; guest_format can't be another.")


def _is_true(value: Any) -> bool:
    return str(value).lower() in ("true", "1", "yes", "on", "t", "y")


def of_image(properties: Mapping[str, Any]) -> tuple[Device, ...]:
    """The devices that an image describes instead of having bytes: one made of a server that boots from a volume.

    Raises InvalidRequest for a description that nobody can read: the property is text that any user may write.
    """
    if not properties.get("block_device_mapping"):
        return ()
    if not _is_true(properties.get("bdm_v2")):
        raise InvalidRequest(f"{INVALID}the image's block_device_mapping is of the old form: bdm_v2 must be true.")
    return tuple(_of_entry(each) for each in entries_of(properties) if not each.get("no_device"))


def entries_of(properties: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What an image says of devices, as it says it; none where it says nothing. Raises InvalidRequest, as `of_image`."""
    text = properties.get("block_device_mapping")
    if not text:
        return []
    try:
        entries = json.loads(text) if isinstance(text, str) else text
    except (ValueError, RecursionError) as err:
        raise InvalidRequest(f"{INVALID}the image's block_device_mapping is no JSON.") from err
    if not isinstance(entries, list) or not all(isinstance(each, dict) for each in entries):
        raise InvalidRequest(f"{INVALID}the image's block_device_mapping is no list of devices.")
    return entries


def _of_entry(entry: Mapping[str, Any]) -> Device:
    """As in a request; what an image says it may say in any type."""
    source = str(entry.get("source_type") or "")
    plain = {**entry, "uuid": None if source == "blank" else entry.get(f"{source}_id") or entry.get("uuid")}
    for name in ("boot_index", "volume_type", "tag"):
        if plain.get(name) is not None:
            plain[name] = str(plain[name])[:60]
    return read_device(plain)


def arrange(wanted: WantedDisks, of_its_image: Sequence[Device], count: int) -> Disks:
    """What is asked for and what the image brings, as one. Raises InvalidRequest when they don't go together."""
    asked = list(wanted.devices)
    if any(device.boot_index == 0 for device in of_its_image):  # clients name the image once more, as the root disk
        asked = [each for each in asked if not (each.boot_index == 0 and each.source == "image")]
    names = {device.name for device in asked if device.name}
    devices = asked + [each for each in of_its_image if each.name not in names]
    if count > 1 and any(each.source == "volume" for each in devices):
        raise InvalidRequest("Cannot attach one or more volumes to multiple instances")
    _check_roots(wanted, devices)
    _check_boot_order(wanted, devices)
    swap = [each.size or 0 for each in devices if each.is_swap]
    if len(swap) > 1:
        raise InvalidRequest(f"{INVALID}More than one swap drive requested.")
    blank = [each for each in devices if each.source == "blank" and not each.is_volume and not each.is_swap]
    volumes = [each for each in devices if each.is_volume]
    seen = [each.source_id for each in volumes if each.source == "volume"]
    if len(set(seen)) < len(seen):
        raise InvalidRequest(f"{INVALID}the same volume is named twice.")
    return Disks(
        ephemeral_gib=tuple(each.size or 0 for each in blank),
        swap_mib=swap[0] if swap else None,
        volumes=tuple(sorted(volumes, key=lambda each: each.boot_index != 0)),
    )


def _check_roots(wanted: WantedDisks, devices: Sequence[Device]) -> None:
    for each in devices:
        if each.is_root_image and each.source_id != wanted.image_id:
            raise InvalidRequest(f"{INVALID}its image is not the one in imageRef.")


def _check_boot_order(wanted: WantedDisks, devices: Sequence[Device]) -> None:
    """From 0 upwards, each once; an image that no device names is the root disk, unless a volume is."""
    indexes = sorted(each.boot_index for each in devices if each.boot_index >= 0)
    if wanted.image_id and 0 not in indexes:
        indexes = [0, *indexes]
    if not indexes or indexes != list(range(len(indexes))):
        raise InvalidRequest(
            f"{INVALID}Boot sequence for the instance and image/block device mapping combination is not valid."
        )
