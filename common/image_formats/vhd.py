"""VHD (Virtual PC): fixed and dynamic images that stand alone. Big-endian."""

from __future__ import annotations

from common.errors import ImageRefused
from common.image_formats.stream import Window, unpack

FOOTER_BYTES = 512
_FIXED, _DYNAMIC = 2, 3
_NO_GEOMETRY = (65535, 16, 255)  # the greatest there is: every reader then takes the size as it stands
_FLATTEN = "flatten it with `qemu-img convert -O qcow2 OLD NEW` and upload the result"


def is_fixed(window: Window) -> bool:
    """A fixed VHD is a raw disk with a footer, so its head may well hold a partition table."""
    return not window.head.startswith(b"conectix") and window.from_end(FOOTER_BYTES, 8) == b"conectix"


def inspect(window: Window) -> int:
    """The virtual size in bytes: the greater of what the footer and its geometry say, as readers differ.

    Raises ImageRefused for differencing images, damaged footers and a head that contradicts the footer.
    """
    footer = window.from_end(FOOTER_BYTES, FOOTER_BYTES)
    if not footer.startswith(b"conectix") or not _checksum_fits(footer, 64):
        raise ImageRefused("the VHD's footer is missing or damaged; the image is cut off: upload it again")
    (data_offset,) = unpack(">Q", footer, 16, "VHD footer")
    (virtual_size, cylinders, heads, sectors, kind) = unpack(">QHBBI", footer, 48, "VHD footer")
    if kind not in (_FIXED, _DYNAMIC):
        raise ImageRefused(f"the VHD is of type {kind}; only fixed (2) and dynamic (3) are taken: {_FLATTEN}")
    if kind == _FIXED and (not is_fixed(window) or window.size - FOOTER_BYTES < virtual_size):
        raise ImageRefused("the fixed VHD is shorter than it declares or has a second header; it is damaged or forged")
    if kind == _DYNAMIC:
        if window.at(0, FOOTER_BYTES) != footer:
            raise ImageRefused("the dynamic VHD's header and footer differ; it is damaged or forged: upload it again")
        _check_dynamic(window, data_offset, virtual_size)
    geometry = (cylinders, heads, sectors)
    return virtual_size if geometry == _NO_GEOMETRY else max(virtual_size, cylinders * heads * sectors * 512)


def _check_dynamic(window: Window, offset: int, virtual_size: int) -> None:
    header = window.at(offset, 1024)
    if len(header) < 1024 or not header.startswith(b"cxsparse") or not _checksum_fits(header, 36):
        raise ImageRefused("the dynamic VHD's second header is missing or damaged; upload it again")
    (table, _version, entries, block_bytes) = unpack(">QIII", header, 16, "VHD header")
    if any(header[40:56]) or any(header[64:768]):
        raise ImageRefused(f"the VHD names a parent disk, which images must not: {_FLATTEN}")
    if block_bytes < 512 or block_bytes & (block_bytes - 1) or entries * block_bytes < virtual_size:
        raise ImageRefused("the VHD header declares blocks that can't hold its disk; the image is damaged")
    if table + entries * 4 > window.size:
        raise ImageRefused("the VHD block table lies outside the file; the image is cut off or damaged")


def _checksum_fits(block: bytes, at: int) -> bool:
    (stored,) = unpack(">I", block, at, "VHD footer")
    total = sum(block) - sum(block[at : at + 4])
    return stored == ~total & 0xFFFF_FFFF
