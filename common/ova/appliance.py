"""An OVA as a whole: its description, its disk's place in the archive, and what its manifest says of the disk."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from common.errors import ImageRefused
from common.ova import archive, descriptor
from common.ova.archive import Member
from common.ova.descriptor import Description

_DIGEST = re.compile(r"(SHA1|SHA256|SHA512) ?\(([^)\n]{1,100})\) ?= ?([0-9a-fA-F]{40,128})\s*\Z")
_MAX_MANIFEST_BYTES = 64 * 1024
_CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Appliance:
    description: Description
    disk: Member
    digest: tuple[str, str] | None  # the manifest's: name of the algorithm, hexadecimal value


def read(file: BinaryIO, size: int) -> Appliance:
    """Raises ImageRefused. `size`: the archive's, in bytes."""
    members = archive.read_members(file, size)
    described = [member for member in members if member.name.lower().endswith(".ovf")]
    if len(described) != 1:
        raise ImageRefused(f"the OVA holds {len(described)} descriptions (.ovf); exactly one is needed")
    if described[0].size > descriptor.MAX_BYTES:
        raise ImageRefused(f"the OVA's description is longer than {descriptor.MAX_BYTES} bytes")
    description = descriptor.parse(_bytes_of(file, described[0]))
    disk = next((member for member in members if member.name == description.disk_file), None)
    if disk is None:
        raise ImageRefused(f"the OVA lacks the file {description.disk_file[:100]!r} of its disk: export it again")
    return Appliance(description, disk, _digest(file, members, disk))


def feed(file: BinaryIO, appliance: Appliance, take: Callable[[bytes], None]) -> None:
    """Give `take` all bytes of the disk, in order. Raises ImageRefused when they are not what the manifest says."""
    hashed = hashlib.new(appliance.digest[0], usedforsecurity=False) if appliance.digest else None
    file.seek(appliance.disk.offset)
    left = appliance.disk.size
    while left and (chunk := file.read(min(_CHUNK_BYTES, left))):
        left -= len(chunk)
        take(chunk)
        if hashed is not None:
            hashed.update(chunk)
    if hashed is not None and appliance.digest is not None and hashed.hexdigest() != appliance.digest[1]:
        raise ImageRefused("the OVA's disk is not what its manifest says; it is damaged: upload it again")


def _digest(file: BinaryIO, members: list[Member], disk: Member) -> tuple[str, str] | None:
    manifest = next((each for each in members if each.name.lower().endswith(".mf")), None)
    if manifest is None:
        return None
    if manifest.size > _MAX_MANIFEST_BYTES:
        raise ImageRefused("the OVA's manifest is longer than any real one")
    for line in _bytes_of(file, manifest).decode("utf-8", errors="replace").splitlines():
        found = _DIGEST.match(line.strip())
        if found and found[2] == disk.name:
            return found[1].lower(), found[3].lower()
    return None


def _bytes_of(file: BinaryIO, member: Member) -> bytes:
    file.seek(member.offset)
    return file.read(member.size)
