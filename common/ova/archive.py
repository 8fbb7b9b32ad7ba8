"""The members of an OVA, which is a tar archive: plain files only, named by their place in it; nothing is ever unpacked.

Written for this one purpose, since a general tar reader knows links, devices, sparse files and extended headers, each of
which has led an unpacker astray. Names are compared with those in the description, and never become a path.
Source: POSIX.1-1988 ustar, and GNU tar's numbers in base 256 for disks beyond 8 GiB.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import BinaryIO

from common.errors import ImageRefused

BLOCK_BYTES = 512
MAX_MEMBERS = 64
_PLAIN = (b"0", b"\0")
_KINDS = {
    b"1": "a hard link", b"2": "a symbolic link", b"3": "a character device", b"4": "a block device", b"5": "a folder",
    b"6": "a pipe", b"7": "a contiguous file", b"L": "a long name", b"K": "a long link", b"S": "a sparse file",
    b"x": "an extended header", b"g": "an extended header",
}  # fmt: skip
_OCTAL = re.compile(rb" *([0-7]{1,12})[ \0]*\Z")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_. ()+@,=-]{0,99}\Z")
_REPACK = "pack its files anew with `tar --format=ustar -cf NEW.ova NAME.ovf DISK.vmdk`"


@dataclass(frozen=True)
class Member:
    """A plain file: the bytes [offset, offset + size) of the archive."""

    name: str
    offset: int
    size: int


def looks_like_one(head: bytes) -> bool:
    """Whether the first block of a file is that of a tar archive."""
    return head[257:262] == b"ustar"


def read_members(file: BinaryIO, size: int) -> list[Member]:
    """In their order; `size` is the archive's, in bytes. Raises ImageRefused for all but plain files."""
    found: list[Member] = []
    at = 0
    while at + BLOCK_BYTES <= size:
        file.seek(at)
        block = file.read(BLOCK_BYTES)
        if not block.strip(b"\0"):
            break
        member = _member(block, at + BLOCK_BYTES, size)
        if len(found) == MAX_MEMBERS:
            raise ImageRefused(f"the OVA holds more than {MAX_MEMBERS} files, which no appliance does")
        if any(known.name == member.name for known in found):
            raise ImageRefused(f"the OVA holds two files named {member.name}: {_REPACK}")
        found.append(member)
        at = member.offset + -(-member.size // BLOCK_BYTES) * BLOCK_BYTES
    if not found:
        raise ImageRefused("the OVA is empty; it is cut off or damaged: upload it again")
    return found


def _member(block: bytes, offset: int, whole: int) -> Member:
    if not looks_like_one(block) or _number(block[148:156]) != sum(block) - sum(block[148:156]) + 8 * 32:
        raise ImageRefused("the OVA is no tar archive, or a header in it is damaged: upload it again")
    kind = block[156:157]
    if kind not in _PLAIN:
        raise ImageRefused(f"the OVA holds {_KINDS.get(kind, 'something')}, and only plain files are taken: {_REPACK}")
    if block[345:500].strip(b"\0") and block[257:265] == b"ustar\x0000":
        raise ImageRefused(f"the OVA holds files in folders: {_REPACK}")
    name = block[:100].split(b"\0", 1)[0].decode("ascii", errors="replace")
    if not _NAME.match(name) or ".." in name:
        raise ImageRefused(f"the OVA holds a file named {name!r}; give its files plain names: {_REPACK}")
    size = _number(block[124:136])
    if offset + size > whole:
        raise ImageRefused("the OVA ends inside a file; it is cut off: upload it again")
    return Member(name, offset, size)


def _number(field: bytes) -> int:
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    found = _OCTAL.match(field)
    if found is None:
        raise ImageRefused("a header in the OVA is damaged: upload it again")
    return int(found[1], 8)
