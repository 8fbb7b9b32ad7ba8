"""What is kept of an image while it streams past: its head, its tail and asked-for regions; never the whole."""

from __future__ import annotations

import struct

from common.errors import ImageRefused

HEAD_BYTES = 512 * 1024  # holds every header we read, and VHDX's two region tables (which end at 320 KiB)
TAIL_BYTES = 2048  # holds the footers of VHD, VMDK streamOptimized and DMG
REGION_BYTES = 1024 * 1024  # the most that is kept of a region further in


class KeptRegion:
    """A region further in, whose place was learnt from the head before the stream reached it."""

    def __init__(self, offset: int, length: int) -> None:
        self.offset = offset
        self.length = min(length, REGION_BYTES)
        self.data = bytearray()

    def feed(self, position: int, chunk: bytes) -> None:
        wanted = self.offset + len(self.data)
        if len(self.data) < self.length and position <= wanted < position + len(chunk):
            start = wanted - position
            self.data += chunk[start : start + self.length - len(self.data)]


class Window:
    """Bounded view of a byte stream. `size` counts all bytes seen."""

    def __init__(self) -> None:
        self.size = 0
        self.head = bytearray()
        self.tail = b""
        self.region: KeptRegion | None = None

    def feed(self, chunk: bytes) -> None:
        if self.region is not None:
            self.region.feed(self.size, chunk)
        if len(self.head) < HEAD_BYTES:
            self.head += chunk[: HEAD_BYTES - len(self.head)]
        self.tail = chunk[-TAIL_BYTES:] if len(chunk) >= TAIL_BYTES else (self.tail + chunk)[-TAIL_BYTES:]
        self.size += len(chunk)

    def at(self, offset: int, length: int) -> bytes:
        """Bytes of the head; shorter where the head ends."""
        return bytes(self.head[offset : offset + length])

    def from_end(self, distance: int, length: int) -> bytes:
        """`length` bytes that begin `distance` bytes before the end; empty when the file is shorter than that."""
        if distance > len(self.tail):
            return b""
        start = len(self.tail) - distance
        return self.tail[start : start + length]


def unpack(layout: str, data: bytes, offset: int, what: str) -> tuple[int, ...]:
    """Numbers at `offset` of `data`. Raises ImageRefused when the file ends before them."""
    end = offset + struct.calcsize(layout)
    if offset < 0 or end > len(data):
        raise ImageRefused(f"the image ends inside its {what}; it is cut off or damaged: upload it again")
    return struct.unpack_from(layout, data, offset)
