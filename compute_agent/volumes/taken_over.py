"""What a volume's bytes are taken over from: what this node reaches, or an export of another. Read by qemu-img, both ways."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from common.errors import StorageError
from compute_agent.storage import qemu_img
from compute_agent.storage.rbd_image import RbdImage
from compute_agent.volumes.place import VolumeBytes


def bytes_of(volume: VolumeBytes) -> ReadBytes:
    return ReadBytes(volume.source(), str(volume))


@dataclass(frozen=True)
class ReadBytes:
    """Implements base.Bytes. name: for people."""

    source: qemu_img.Source
    name: str

    def copy_to(self, path: Path, disk_format: str) -> None:
        qemu_img.convert_from(self.source, path, disk_format)

    def copy_into(self, image: RbdImage) -> None:
        qemu_img.convert_into(self.source, image.source())

    def compare(self, volume: VolumeBytes) -> None:
        if not qemu_img.compare(self.source, volume.source()):
            raise StorageError(
                "the copy of the volume has not the bytes that it was made of; it was not used",
                detail=f"{volume} is not {self.name}",
            )
