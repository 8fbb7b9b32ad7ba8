"""A disk as objects: pieces of one size, each named and checked by its hash; zeros take no room.

The manifest of a backup lists where each piece lies. An incremental backup writes only the pieces whose hash differs
from that of the backup it is based on, and points to that one's for the rest: to restore it, its manifest alone is
read. That the pieces are compared by their hash needs no bitmap of changes, which a crash or a copy would lose.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from common.errors import StorageError
from compute_agent.backups.base import BackupStore

CHUNK_BYTES = 4 * 2**20
MANIFEST = "manifest"
_VERSION = 1
_COMPRESSION = 1  # the quickest: what is on disks is often compressed already


class Chunk(msgspec.Struct, frozen=True, array_like=True):
    """sha256 of the plain bytes; location: the backup in which they lie."""

    sha256: str
    location: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """chunks: by position, None for zeros."""

    version: int = _VERSION
    size_bytes: int
    chunk_bytes: int
    chunks: list[Chunk | None]

    def own(self, location: str) -> int:
        """How many objects lie in this location."""
        return sum(1 for chunk in self.chunks if chunk is not None and chunk.location == location)


def read_manifest(store: BackupStore, location: str) -> Manifest:
    """Raises StorageError for one that is missing or is none of ours."""
    try:
        found = msgspec.json.decode(zlib.decompress(store.get(location, MANIFEST)), type=Manifest)
    except (msgspec.DecodeError, zlib.error) as err:
        raise StorageError(f"the manifest of backup {location} is damaged", detail=str(err)[:500]) from err
    pieces = -(-found.size_bytes // found.chunk_bytes) if found.chunk_bytes > 0 else -1
    if found.version != _VERSION or found.size_bytes < 0 or len(found.chunks) != pieces:
        raise StorageError(f"the manifest of backup {location} is not one that this release can read")
    return found


def save(
    store: BackupStore, location: str, source: Path, parent: Manifest | None, checkpoint: Callable[[], None],
    chunk_bytes: int = CHUNK_BYTES,
) -> Manifest:  # fmt: skip
    """Write a raw disk's pieces, then its manifest: without one nothing is a backup.

    What an earlier try has written is written again. Raises StorageError and what `checkpoint` raises.
    """
    if parent is not None and parent.chunk_bytes != chunk_bytes:
        parent = None
    with source.open("rb") as disk:
        size_bytes = os.fstat(disk.fileno()).st_size
        chunks: list[Chunk | None] = [None] * -(-size_bytes // chunk_bytes)
        for index, data in _pieces(disk, size_bytes, chunk_bytes):
            checkpoint()
            chunks[index] = _kept(store, location, index, data, parent)
    manifest = Manifest(size_bytes=size_bytes, chunk_bytes=chunk_bytes, chunks=chunks)
    store.put(location, MANIFEST, zlib.compress(msgspec.json.encode(manifest), _COMPRESSION))
    return manifest


def _kept(store: BackupStore, location: str, index: int, data: bytes, parent: Manifest | None) -> Chunk:
    digest = hashlib.sha256(data).hexdigest()
    before = parent.chunks[index] if parent is not None and index < len(parent.chunks) else None
    if before is not None and before.sha256 == digest:
        return before
    store.put(location, _name(index), zlib.compress(data, _COMPRESSION))
    return Chunk(digest, location)


def _pieces(disk: BinaryIO, size_bytes: int, chunk_bytes: int) -> Iterator[tuple[int, bytes]]:
    """The pieces that are not all zeros, holes in the file skipped unread."""
    zeros = bytes(chunk_bytes)
    at = 0
    while (at := _data_after(disk, at, size_bytes)) < size_bytes:
        index = at // chunk_bytes
        disk.seek(index * chunk_bytes)
        data = disk.read(chunk_bytes)
        if data != zeros[: len(data)]:
            yield index, data
        at = (index + 1) * chunk_bytes


def _data_after(disk: BinaryIO, at: int, size_bytes: int) -> int:
    if at >= size_bytes:
        return size_bytes
    try:
        return os.lseek(disk.fileno(), at, os.SEEK_DATA)
    except OSError:  # ENXIO: nothing but a hole follows
        return size_bytes


def restore(store: BackupStore, manifest: Manifest, target: Path, checkpoint: Callable[[], None]) -> None:
    """Write the disk to a new raw, sparse file. Raises StorageError for a piece that is missing or damaged."""
    with target.open("r+b") as disk:
        disk.truncate(manifest.size_bytes)
        for index, chunk in enumerate(manifest.chunks):
            if chunk is None:
                continue
            checkpoint()
            disk.seek(index * manifest.chunk_bytes)
            disk.write(_checked(store, chunk, index, manifest.chunk_bytes))
        disk.flush()
        os.fsync(disk.fileno())


def _checked(store: BackupStore, chunk: Chunk, index: int, chunk_bytes: int) -> bytes:
    unpack = zlib.decompressobj()
    try:
        data = unpack.decompress(store.get(chunk.location, _name(index)), chunk_bytes + 1)
    except zlib.error as err:
        raise StorageError(f"piece {index} of backup {chunk.location} is damaged", detail=str(err)) from err
    if hashlib.sha256(data).hexdigest() != chunk.sha256:
        raise StorageError(f"piece {index} of backup {chunk.location} is damaged: it has another hash than it had")
    return data


def _name(index: int) -> str:
    return f"{index:012x}"
