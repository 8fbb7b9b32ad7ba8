"""VMDK: only streamOptimized and monolithicSparse with one extent, the file itself.

A VMDK's text descriptor may name any other file as extent or parent, so the text is checked as strictly as the binary
header, and over as many bytes as QEMU reads.
"""

from __future__ import annotations

import re
import sys
from array import array
from typing import BinaryIO

from common.errors import ImageRefused
from common.image_formats.stream import Window, unpack

SECTOR_BYTES = 512
_DESCRIPTOR_END = 128 * 1024  # real descriptors are a kilobyte or two, in the second sector
_COMPRESSED = 1 << 16
_GRAIN_DIRECTORY_AT_END = 0xFFFF_FFFF_FFFF_FFFF
_QEMU_DESCRIPTOR_SECTORS = 20  # QEMU reads so many whatever the header says
_ACCEPTED_TYPES = ("streamoptimized", "monolithicsparse")
_CREATE_TYPE = re.compile(r'^[ \t]*createType[ \t]*=[ \t]*"?([A-Za-z0-9]*)"?[ \t]*$', re.IGNORECASE | re.MULTILINE)
_EXTENT = re.compile(r"^[ \t]*(?:RW|RDONLY|NOACCESS)\b.*$", re.IGNORECASE | re.MULTILINE)
_OWN_EXTENT = re.compile(r'RW (\d{1,15}) SPARSE "([A-Za-z0-9][A-Za-z0-9._ ()+-]{0,254})"')
_PARENT_CID = re.compile(r"^[ \t]*parentCID[ \t]*=[ \t]*([0-9a-f]+)[ \t]*$", re.IGNORECASE | re.MULTILINE)
_CONVERT = "convert it with `qemu-img convert -O vmdk -o subformat=streamOptimized OLD NEW` and upload the result"


def inspect(window: Window) -> int:
    """The virtual size in bytes. Raises ImageRefused unless the file is one self-contained sparse extent."""
    if not window.head.startswith(b"KDMV"):
        raise ImageRefused(f"the VMDK is a descriptor or an old type whose data lie in other files: {_CONVERT}")
    header = window.at(0, SECTOR_BYTES)
    (version, _flags, capacity, grain, descriptor_at, descriptor_length, entries, _spare, directory) = unpack(
        "<IIQQQQIQQ", header, 4, "VMDK header"
    )
    if version not in (1, 2, 3) or not capacity:
        raise ImageRefused(
            f"the VMDK header (version {version}, {capacity} sectors) is not that of a sparse extent: {_CONVERT}"
        )
    if not 8 <= grain <= 65536 or grain & (grain - 1) or not 1 <= entries <= 4096:
        raise ImageRefused("the VMDK header declares grains or tables of impossible size; the image is damaged")
    if directory == _GRAIN_DIRECTORY_AT_END:
        _check_footer(window, header)
    _check_descriptor(_descriptor(window, descriptor_at, descriptor_length), capacity)
    return capacity * SECTOR_BYTES


def check_grains(file: BinaryIO, start: int, size: int) -> None:
    """That a file with plain grains, at [start, start + size), holds all that its tables name: readers take what lies
    behind its end for zeros. Compressed grains say their own length. Raises ImageRefused. The header has been inspected.
    """
    file.seek(start)
    header = file.read(SECTOR_BYTES)
    (_version, flags, capacity, grain, _at, _length, entries, _spare, directory) = unpack(
        "<IIQQQQIQQ", header, 4, "VMDK header"
    )
    if flags & _COMPRESSED:
        return
    last = 0
    for table in _numbers(file, start, size, directory, -(-capacity // (grain * entries))):
        if table:
            last = max(last, *_numbers(file, start, size, table, entries))
    if last > 1 and (last + grain) * SECTOR_BYTES > size:  # 1 stands for zeros
        raise ImageRefused("the VMDK is shorter than its tables say; it is cut off: upload it again")


def _numbers(file: BinaryIO, start: int, size: int, sector: int, count: int) -> array[int]:
    length = count * 4
    if sector * SECTOR_BYTES + length > size:
        raise ImageRefused("the VMDK's tables lie outside the file; it is cut off or damaged: upload it again")
    file.seek(start + sector * SECTOR_BYTES)
    found = array("I", file.read(length))
    if sys.byteorder == "big":
        found.byteswap()
    return found


def _check_footer(window: Window, header: bytes) -> None:
    """A streamOptimized file ends with a second header, which readers prefer: only its directory may differ."""
    footer = window.from_end(2 * SECTOR_BYTES, SECTOR_BYTES)
    if len(footer) < SECTOR_BYTES or footer[:56] != header[:56] or footer[64:72] != header[64:72]:
        raise ImageRefused(
            "the VMDK's footer is missing or contradicts its header; it is cut off or forged: upload it again"
        )


def _descriptor(window: Window, start_sector: int, sectors: int) -> str:
    start, length = start_sector * SECTOR_BYTES, sectors * SECTOR_BYTES
    if not start or not length or start + max(length, _QEMU_DESCRIPTOR_SECTORS * SECTOR_BYTES) > _DESCRIPTOR_END:
        raise ImageRefused(f"the VMDK's descriptor is missing, too large or too far from its beginning: {_CONVERT}")
    if start + length > window.size:
        raise ImageRefused("the VMDK ends inside its descriptor; it is cut off: upload it again")
    seen_by_others = window.at(start, max(length, _QEMU_DESCRIPTOR_SECTORS * SECTOR_BYTES)).lower()
    if b"parentfilenamehint" in seen_by_others:
        raise ImageRefused(f"the VMDK names a parent file, which images must not: {_CONVERT}")
    text = window.at(start, length)
    end = text.find(b"\x00")
    if end >= 0 and text[end:].strip(b"\x00"):
        raise ImageRefused("the VMDK's descriptor goes on after its end; it is damaged or forged")
    try:
        return text[: end if end >= 0 else None].decode("ascii")
    except UnicodeDecodeError as err:
        raise ImageRefused(f"the VMDK's descriptor is not plain text: {_CONVERT}") from err


def _check_descriptor(text: str, capacity: int) -> None:
    text = text.replace("\r\n", "\n")
    if any(ord(char) < 32 and char not in "\n\t" for char in text):
        raise ImageRefused("the VMDK's descriptor holds control characters; it is damaged or forged")
    types = _CREATE_TYPE.findall(text)
    if len(types) != 1 or types[0].lower() not in _ACCEPTED_TYPES:
        named = types[0] if len(types) == 1 else f"{len(types)} types"
        raise ImageRefused(
            f"the VMDK declares {named}; only streamOptimized and monolithicSparse are taken: {_CONVERT}"
        )
    parents = _PARENT_CID.findall(text)
    if any(parent.lower() != "ffffffff" for parent in parents):
        raise ImageRefused(f"the VMDK is the child of another disk, which images must not be: {_CONVERT}")
    extents = _EXTENT.findall(text)
    if len(extents) != 1:
        raise ImageRefused(f"the VMDK has {len(extents)} extents; exactly one is taken: {_CONVERT}")
    own = _OWN_EXTENT.fullmatch(extents[0].strip())
    if own is None or ".." in own[2]:
        raise ImageRefused(f"the VMDK's extent is not the file itself but may name another: {_CONVERT}")
    if int(own[1]) != capacity:
        raise ImageRefused("the VMDK's descriptor and header disagree on its size; it is damaged or forged")
