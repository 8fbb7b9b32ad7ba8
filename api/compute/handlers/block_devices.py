"""What POST /servers says about disks: the image as root disk, swap and ephemeral disks out of what the flavor has.

Source: Nova's block_device_mapping_v2. An entry without source image, volume or snapshot is blank: guest_format "swap"
makes it the swap disk, whose volume_size is MiB; all others are ephemeral disks, in GiB.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from common.errors import InvalidRequest

_INVALID = "Block Device Mapping is Invalid: "
_FORMATS = ("ext4", "")


@dataclass(frozen=True)
class Disks:
    """ephemeral_gib: sizes; (): the flavor's in one piece. swap_mib: None: the flavor's."""

    image_id: str
    ephemeral_gib: tuple[int, ...] = ()
    swap_mib: int | None = None


def read(server: dict[str, Any]) -> Disks:
    """Raises InvalidRequest for what needs volumes, and for devices that don't go together."""
    image_id = str(server.get("imageRef") or "").rstrip("/").rsplit("/", 1)[-1]
    if server.get("block_device_mapping"):
        raise InvalidRequest("block_device_mapping is not supported: use block_device_mapping_v2.")
    ephemeral: list[int] = []
    swap: list[int] = []
    roots = 0
    for device in server.get("block_device_mapping_v2", []):
        if device.get("source_type") == "image":
            image_id = _root_image(device, image_id)
            roots += 1
        elif device.get("source_type") == "blank" and device.get("destination_type", "local") == "local":
            (swap if device.get("guest_format") == "swap" else ephemeral).append(_blank_size(device))
        else:
            raise InvalidRequest(
                f"{_INVALID}this cloud has no volumes to boot from; source_type must be image (boot_index 0) or blank, "
                "and destination_type local."
            )
    if not image_id:
        raise InvalidRequest("Invalid imageRef provided.")
    if len(swap) > 1:
        raise InvalidRequest(f"{_INVALID}More than one swap drive requested.")
    if roots > 1:
        raise InvalidRequest(f"{_INVALID}Boot sequence for the instance and image/block device mapping is not valid.")
    return Disks(image_id, tuple(ephemeral), swap[0] if swap else None)


def _root_image(device: dict[str, Any], image_id: str) -> str:
    local = device.get("destination_type", "local") == "local"
    if not local or str(device.get("boot_index")) != "0" or device.get("volume_id") or device.get("snapshot_id"):
        raise InvalidRequest(
            f"{_INVALID}an image can only be the local root disk (destination_type local, boot_index 0)."
        )
    named = device.get("uuid") or device.get("image_id") or image_id
    if image_id and named != image_id:
        raise InvalidRequest(f"{_INVALID}its image is not the one in imageRef.")
    return str(named)


def _blank_size(device: dict[str, Any]) -> int:
    index = device.get("boot_index")
    if index is not None and int(index) >= 0:
        raise InvalidRequest(f"{_INVALID}a blank disk can't be booted: its boot_index must be -1.")
    if device.get("uuid") or device.get("volume_id") or device.get("snapshot_id") or device.get("image_id"):
        raise InvalidRequest(f"{_INVALID}a blank disk has no source.")
    if device.get("guest_format") not in (None, "swap", *_FORMATS):
        raise InvalidRequest(f"{_INVALID}ephemeral disks are formatted as ext4; guest_format can't be another.")
    text = str(device.get("volume_size") or "")
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 10**6):
        raise InvalidRequest(
            f"{_INVALID}volume_size of a blank disk must be a whole number above 0, not {text[:12]!r}."
        )
    return int(text)
