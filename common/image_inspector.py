"""Reads an image's header while its bytes stream past, and refuses what a tool could be tricked with.

No outside tool sees an image before this has. The declared format must be what the bytes are; bytes that two formats
claim are refused, and so is whatever refers to another file. Memory is bounded, however large the image is.
Used by the image service when an image is uploaded and by the agent before an image is used.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from common.errors import ImageRefused
from common.image_formats import qcow2, signatures, vdi, vhd, vhdx, vmdk
from common.image_formats.stream import HEAD_BYTES, Window

RAW_LIKE = ("raw", "ami", "aki", "ari")  # opaque bytes; aki and ari are a kernel and an initial RAM disk
FORMATS = (*RAW_LIKE, "qcow2", "vmdk", "vdi", "vhd", "vhdx", "iso")
_PARTITIONED = frozenset({"mbr", "gpt"})
_CHUNK_BYTES = 1024 * 1024
_READERS: dict[str, Callable[[Window], int]] = {
    "qcow2": qcow2.inspect,
    "vmdk": vmdk.inspect,
    "vdi": vdi.inspect,
    "vhd": vhd.inspect,
    "vhdx": vhdx.inspect,
}


@dataclass(frozen=True)
class InspectedImage:
    """What the bytes proved to be. virtual_size_bytes is the disk a guest sees, size_bytes the file's length."""

    disk_format: str
    virtual_size_bytes: int
    size_bytes: int


def virtual_size(path: Path, disk_format: str) -> int:
    """Of a disk that is to be used as it is, as its name says what it is: the head alone is read.

    Raw bytes may be anything. Raises ImageRefused for a qcow2 that does not stand alone, or can't be read.
    """
    try:
        if disk_format == "raw":
            return path.stat().st_size
        window = Window()
        with path.open("rb") as file:
            window.feed(file.read(HEAD_BYTES))
        if not signatures.disk_formats(window) & {disk_format}:
            raise ImageRefused(f"the file is no {disk_format}")
        window.size = path.stat().st_size
        return _READERS[disk_format](window)
    except OSError as err:
        raise ImageRefused("the file can't be read", detail=str(err)) from err


class Inspector:
    """Feed it every byte in order, then `finish`. max_virtual_bytes bounds the disk an image may declare."""

    def __init__(self, *, max_virtual_bytes: int) -> None:
        self._max_virtual_bytes = max_virtual_bytes
        self._window = Window()

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes. Never raises: what is wrong with the image is said by `finish`."""
        # In small steps, so that one large chunk can't carry the stream past a region before it is asked for.
        for start in range(0, len(chunk), _CHUNK_BYTES // 8):
            self._window.feed(chunk[start : start + _CHUNK_BYTES // 8])
            vhdx.watch(self._window)

    def finish(self, declared_format: str) -> InspectedImage:
        """Judge the whole. Raises ImageRefused, with what to do about it, unless it is safely what was declared."""
        window = self._window
        if declared_format not in FORMATS:
            raise ImageRefused(f"disk format {declared_format!r} is not known; known are {', '.join(FORMATS)}")
        if not window.size:
            return self._nothing(declared_format)
        self._check_agreement(declared_format)
        reader = _READERS.get(declared_format)
        virtual_size = reader(window) if reader else window.size
        if not 0 < virtual_size <= self._max_virtual_bytes:
            raise ImageRefused(
                f"the image declares a disk of {virtual_size} bytes; 1 to {self._max_virtual_bytes} are allowed here"
            )
        return InspectedImage(declared_format, virtual_size, window.size)

    def _nothing(self, declared: str) -> InspectedImage:
        """No bytes at all are a raw disk of none, as the image of a server that boots from volumes is."""
        if declared != "raw":
            raise ImageRefused("the image is empty: upload its data")
        return InspectedImage(declared, 0, 0)

    def _check_agreement(self, declared: str) -> None:
        found = signatures.disk_formats(self._window)
        named = " and ".join(sorted(found)) or "raw data"
        if declared in RAW_LIKE:
            packing = signatures.packing(self._window)
            if packing and declared in ("raw", "ami"):
                raise ImageRefused(f"the image is packed with {packing}: unpack it and upload the disk itself")
            if found - _PARTITIONED:
                raise ImageRefused(
                    f"the image was declared {declared} but is {named}: declare what it is, or convert it"
                )
            return
        if declared not in found:
            raise ImageRefused(f"the image was declared {declared} but is {named}: declare what it is, or convert it")
        beside = found - {declared}
        if declared == "iso" or (declared == "vhd" and vhd.is_fixed(self._window)):
            beside -= _PARTITIONED  # hybrid ISO images and fixed VHDs carry a partition table by design
        if beside:
            raise ImageRefused(f"the image can be read as {named} at once, which is never needed and refused")


def inspect_file(path: Path, declared_format: str, *, max_virtual_bytes: int) -> InspectedImage:
    """Inspect a file of ours. Raises ImageRefused as `Inspector.finish`, and OSError when it can't be read."""
    inspector = Inspector(max_virtual_bytes=max_virtual_bytes)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            inspector.feed(chunk)
    return inspector.finish(declared_format)
