"""VHDX: images that stand alone and were closed cleanly. Little-endian.

The virtual size and a possible parent lie in the metadata region, anywhere behind the first MiB; its place is read from
the region tables in the head, before the stream gets there (`watch`).
"""

from __future__ import annotations

import uuid

from common.errors import ImageRefused
from common.image_formats.stream import REGION_BYTES, KeptRegion, Window, unpack

_KIB, _MIB = 1024, 1024 * 1024
_HEADERS = (64 * _KIB, 128 * _KIB)
_REGION_TABLES = (192 * _KIB, 256 * _KIB)
_TABLES_END = 320 * _KIB
_METADATA = uuid.UUID("8b7ca206-4790-4b9a-b8fe-575f050f886e").bytes_le
_BLOCK_TABLE = uuid.UUID("2dc27766-f623-4200-9d64-115e9bfd4a08").bytes_le
_FILE_PARAMETERS = uuid.UUID("caa16737-fa36-4d43-b3b6-33f0aa44e76b").bytes_le
_DISK_SIZE = uuid.UUID("2fa54224-cd1b-4876-b211-5dbed83bf4b8").bytes_le
_PARENT_LOCATOR = uuid.UUID("a8d35f2d-b30b-454d-abf7-d3d84834ab0c").bytes_le
_HAS_PARENT = 2
_FLATTEN = "flatten it with `qemu-img convert -O qcow2 OLD NEW` and upload the result"


def watch(window: Window) -> None:
    """Keep the metadata region, once the head says where it will come; a wrong place is refused by `inspect`."""
    if window.region is not None or len(window.head) < _TABLES_END or not window.head.startswith(b"vhdxfile"):
        return
    try:
        offset, length = _metadata_place(window, _REGION_TABLES[0])
    except ImageRefused:
        return  # said again, to the caller, when the image is inspected
    window.region = KeptRegion(offset, length)


def inspect(window: Window) -> int:
    """The virtual size in bytes. Raises ImageRefused for children of other disks, pending logs and damaged tables."""
    for offset in _HEADERS:
        if window.at(offset, 4) == b"head" and any(window.at(offset + 48, 16)):
            raise ImageRefused(f"the VHDX was not closed cleanly (its log holds changes): {_FLATTEN}")
    places = {_metadata_place(window, table) for table in _REGION_TABLES}
    if len(places) != 1:
        raise ImageRefused("the VHDX's two region tables differ; it is damaged or forged")
    offset, length = places.pop()
    region = bytes(window.region.data) if window.region is not None and window.region.offset == offset else b""
    if length > REGION_BYTES or len(region) < min(length, REGION_BYTES):
        raise ImageRefused("the VHDX's metadata region lies outside the file or is too large; it is cut off or damaged")
    return _virtual_size(region)


def _metadata_place(window: Window, table: int) -> tuple[int, int]:
    if window.at(table, 4) != b"regi":
        raise ImageRefused("the VHDX has no region table; it is cut off or damaged: upload it again")
    (count,) = unpack("<I", window.at(table, 16), 8, "VHDX region table")
    found: list[tuple[int, int]] = []
    for index in range(min(count, 2047)):
        entry = window.at(table + 16 + 32 * index, 32)
        (offset, length, required) = unpack("<QII", entry, 16, "VHDX region table")
        if entry[:16] == _METADATA:
            found.append((offset, length))
        elif entry[:16] != _BLOCK_TABLE and required & 1:
            raise ImageRefused(f"the VHDX needs a region of unknown kind: {_FLATTEN}")
    if len(found) != 1 or found[0][0] < _MIB or found[0][0] % _MIB:
        raise ImageRefused("the VHDX's region table names no proper metadata region; it is damaged or forged")
    return found[0]


def _virtual_size(region: bytes) -> int:
    (count,) = unpack("<H", region, 10, "VHDX metadata")
    if not region.startswith(b"metadata") or count > 2047:
        raise ImageRefused("the VHDX's metadata table is damaged")
    items: dict[bytes, int] = {}
    for index in range(count):
        at = 32 + 32 * index
        kind = region[at : at + 16]
        if kind in items:
            raise ImageRefused("the VHDX's metadata names one item twice; it is damaged or forged")
        (items[kind],) = unpack("<I", region, at + 16, "VHDX metadata")
    if _FILE_PARAMETERS not in items or _DISK_SIZE not in items:
        raise ImageRefused("the VHDX's metadata lacks its disk size; it is damaged")
    (_block_bytes, flags) = unpack("<II", region, items[_FILE_PARAMETERS], "VHDX metadata")
    if _PARENT_LOCATOR in items or flags & _HAS_PARENT:
        raise ImageRefused(f"the VHDX is the child of another disk, which images must not be: {_FLATTEN}")
    (virtual_size,) = unpack("<Q", region, items[_DISK_SIZE], "VHDX metadata")
    return virtual_size
