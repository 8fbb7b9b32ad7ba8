"""Which formats the bytes could be taken for: every detector runs, at every place where some tool looks.

The answer is a set, because a polyglot is more than one thing; common/image_inspector.py refuses those.
"""

from __future__ import annotations

import re

from common.image_formats.stream import Window

_AT_START: dict[bytes, str] = {
    b"QFI\xfb": "qcow2",
    b"KDMV": "vmdk",
    b"COWD": "vmdk",
    b"conectix": "vhd",
    b"vhdxfile": "vhdx",
    b"LUKS\xba\xbe": "luks",
    b"QED\x00": "qed",
    b"WithoutFreeSpace": "parallels",
    b"WithouFreSpacExt": "parallels",
    b"Bochs Virtual HD Image": "bochs",
    b"#!/bin/sh\n#V2.0 Format\n": "cloop",
    b"OOOM": "cow",
}
_VDI_SIGNATURE = b"\x7f\x10\xda\xbe"  # at 64
_LUKS2_SECOND_HEADERS = (0x4000, 0x8000, 0x10000, 0x20000, 0x40000)  # cryptsetup looks for a spare header here
_VOLUME_DESCRIPTORS = (b"CD001", b"BEA01", b"NSR02", b"NSR03")
_SECTOR_SIZES = (512, 1024, 2048, 4096)
_COMPRESSED: dict[bytes, str] = {
    b"\x1f\x8b\x08": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\x03\x04": "zip",
    b"7z\xbc\xaf\x27\x1c": "7z",
}
# A VMDK descriptor is text. QEMU takes any file for one whose first lines are comments or blank, then `version=`.
_VMDK_TEXT = re.compile(rb"\A(?:\xef\xbb\xbf)?(?:[ \t]*(?:#[^\n]{0,65536})?\r?\n)*[ \t]*version[ \t]*=", re.IGNORECASE)
_VMDK_TITLE = re.compile(rb"\A\s{0,4096}#\s{0,64}Disk\s{0,64}DescriptorFile", re.IGNORECASE)
_VMDK_TEXT_BYTES = 64 * 1024


def disk_formats(window: Window) -> frozenset[str]:
    """Every disk format that some tool would see in these bytes; "mbr" and "gpt" say that it is a partitioned disk."""
    found = {name for magic, name in _AT_START.items() if window.head.startswith(magic)}
    text = window.at(0, _VMDK_TEXT_BYTES)
    checks = {
        "vmdk": bool(_VMDK_TEXT.match(text) or _VMDK_TITLE.match(text)),
        "vdi": window.at(64, 4) == _VDI_SIGNATURE,
        "vhd": window.from_end(512, 8) == b"conectix" or window.from_end(511, 8) == b"conectix",
        "dmg": window.from_end(512, 4) == b"koly",
        "luks": any(window.at(offset, 6) == b"SKUL\xba\xbe" for offset in _LUKS2_SECOND_HEADERS),
        "iso": any(window.at(sector * 2048 + 1, 5) in _VOLUME_DESCRIPTORS for sector in range(16, 32)),
        "gpt": any(window.at(sector, 8) == b"EFI PART" for sector in _SECTOR_SIZES),
        "mbr": _is_mbr(window.at(0, 512)),
    }
    return frozenset(found | {name for name, seen in checks.items() if seen})


def packing(window: Window) -> str | None:
    """The compression or archive the bytes are packed in, if any; no disk image we take is packed."""
    for magic, name in _COMPRESSED.items():
        if window.head.startswith(magic):
            return name
    return "tar" if window.at(257, 5) == b"ustar" else None


def _is_mbr(sector: bytes) -> bool:
    """A boot signature alone proves little (kernels and FAT have it): the partition table must make sense too."""
    if len(sector) < 512 or sector[510:512] != b"\x55\xaa":
        return False
    entries = [sector[start : start + 16] for start in range(446, 510, 16)]
    return all(entry[0] in (0x00, 0x80) for entry in entries) and any(entry[4] for entry in entries)
