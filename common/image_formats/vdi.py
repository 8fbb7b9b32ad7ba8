"""VDI: dynamic and static images that stand alone. Little-endian."""

from __future__ import annotations

from common.errors import ImageRefused
from common.image_formats.stream import Window, unpack

_DYNAMIC, _STATIC = 1, 2
_FLATTEN = "flatten it with `qemu-img convert -O qcow2 OLD NEW` and upload the result"


def inspect(window: Window) -> int:
    """The virtual size in bytes. Raises ImageRefused for differencing images and impossible headers."""
    head = window.at(0, 512)
    (version, _header_length, kind) = unpack("<III", head, 0x44, "VDI header")
    (block_map, data) = unpack("<II", head, 0x154, "VDI header")
    (sector_bytes, _unused, virtual_size, block_bytes, _extra, blocks, allocated) = unpack(
        "<IIQIIII", head, 0x168, "VDI header"
    )
    if version != 0x00010001:
        raise ImageRefused(f"the VDI image has version {version:#x}; only 1.1 is taken: {_FLATTEN}")
    if kind not in (_DYNAMIC, _STATIC) or any(head[0x1A8:0x1C8]):
        raise ImageRefused(f"the VDI image is the child of another disk, which images must not be: {_FLATTEN}")
    if sector_bytes != 512 or block_bytes != 1024 * 1024 or allocated > blocks:
        raise ImageRefused(f"the VDI header declares impossible block sizes or counts; convert the image: {_FLATTEN}")
    if blocks != -(-virtual_size // block_bytes):
        raise ImageRefused("the VDI header's block count does not fit its disk size; the image is damaged")
    if block_map % 512 or data % 512 or block_map < 512 or block_map + blocks * 4 > data or data > window.size:
        raise ImageRefused("the VDI block map lies outside the file; the image is cut off or damaged")
    if data + allocated * block_bytes > window.size:  # readers take what is missing for zeros
        raise ImageRefused("the VDI image is shorter than its header says; it is cut off: upload it again")
    return virtual_size
