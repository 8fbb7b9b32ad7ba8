"""What POST /servers says about disks, as devices: the image's root disk, swap and ephemeral disks, and volumes.

Source: Nova's block_device_mapping_v2, and its older form block_device_mapping. An entry with the source blank and the
destination local is a disk out of what the flavor has: guest_format "swap" makes it the swap disk, whose volume_size is
MiB; all others are ephemeral disks, in GiB. What may go together is looked at when the image is known, which can bring
devices of its own (operations/server_disks.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.compute.operations.server_disks import INVALID, Device, WantedDisks, read_device
from api.microversion import Microversion
from api.request import ApiRequest
from common.errors import InvalidRequest

_ROOT_NAMES = ("vda", "sda", "hda")


def read(request: ApiRequest) -> WantedDisks:
    """Raises InvalidRequest for devices that can't be."""
    server: dict[str, Any] = request.body["server"]
    image_id = str(server.get("imageRef") or "").rstrip("/").rsplit("/", 1)[-1]
    older, newer = server.get("block_device_mapping") or [], server.get("block_device_mapping_v2") or []
    if older and newer:
        raise InvalidRequest("Using different block_device_mapping syntaxes is not allowed in the same request.")
    devices = _older(older, image_id)
    devices += tuple(_newer(each) for each in newer if not each.get("no_device"))
    image_id = image_id or next((each.source_id for each in devices if each.is_root_image), "")
    if not image_id and not devices:
        raise InvalidRequest("Invalid imageRef provided.")
    tags = [device.tag for device in devices if device.tag]
    if len(set(tags)) < len(tags):
        raise InvalidRequest("Duplicate device tags: each device of a server needs a tag of its own.")
    return WantedDisks(image_id, devices, multiattach=request.version >= Microversion(2, 60))


def _newer(entry: Mapping[str, Any]) -> Device:
    device = read_device(entry)
    if device.is_root_image and device.boot_index != 0:
        raise InvalidRequest(f"{INVALID}Mapping image to local is not supported.")
    return device


def _older(entries: list[Mapping[str, Any]], image_id: str) -> tuple[Device, ...]:
    """The form of before: which is booted from is said by the device's name, or is the first without an image."""
    found: list[Device] = []
    for entry in entries:
        if entry.get("no_device"):
            continue
        kind = next((name for name in ("snapshot", "volume", "image") if entry.get(f"{name}_id")), "")
        virtual = str(entry.get("virtual_name") or "")
        if virtual == "swap" or virtual.startswith("ephemeral"):
            described = {**entry, "source_type": "blank", "destination_type": "local"}
            described["guest_format"] = "swap" if virtual == "swap" else None
        elif kind:
            described = {**entry, "source_type": kind, "destination_type": "volume", "uuid": entry[f"{kind}_id"]}
        else:
            raise InvalidRequest(f"{INVALID}Unrecognized legacy format.")
        name = str(entry.get("device_name") or "").removeprefix("/dev/")
        roots = any(device.boot_index == 0 for device in found)
        is_root = bool(kind) and not roots and (name in _ROOT_NAMES or not image_id)
        found.append(read_device({**described, "boot_index": 0 if is_root else -1}))
    return tuple(found)
