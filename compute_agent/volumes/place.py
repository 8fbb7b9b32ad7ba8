"""Where the bytes of a volume, a snapshot or a copy are: a file, or an image in a Ceph pool; and what they are taken from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from compute_agent.storage import qemu_img
from compute_agent.storage.rbd_image import RbdImage


@dataclass(frozen=True)
class VolumeFile:
    """A volume, snapshot or copy that exists, in the format it was made in."""

    path: Path
    format: str

    def source(self) -> qemu_img.Source:
        return qemu_img.of_file(self.path, self.format)

    def __str__(self) -> str:
        return str(self.path)


VolumeBytes = VolumeFile | RbdImage
"""Where the bytes of a volume, a snapshot or a copy are."""


class Bytes(Protocol):
    """What a volume's bytes are taken over from, and compared with afterwards. All raise StorageError, ToolFailed."""

    def copy_to(self, path: Path, disk_format: str) -> None: ...

    def copy_into(self, image: RbdImage) -> None:
        """Into an empty one that is at least as long."""
        ...

    def compare(self, volume: VolumeBytes) -> None:
        """Raises StorageError when a byte differs."""
        ...
