"""What a volume's bytes are taken over from: a file of this node, or an export of another. Read by qemu-img, both ways."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from common.errors import StorageError
from compute_agent.storage import qemu_img
from compute_agent.volumes.base import VolumeFile


def file_source(file: VolumeFile) -> ReadBytes:
    return ReadBytes(qemu_img.Source(qemu_img.of_file(file.path, file.format)), str(file.path))


@dataclass(frozen=True)
class ReadBytes:
    """Implements base.Bytes. name: for people."""

    source: qemu_img.Source
    name: str

    def copy_to(self, path: Path, disk_format: str) -> None:
        qemu_img.convert_from(self.source, path, disk_format)

    def compare(self, file: VolumeFile) -> None:
        if not qemu_img.compare_with(self.source, file.path, file.format):
            raise StorageError(
                "the copy of the volume has not the bytes that it was made of; it was not used",
                detail=f"{file.path} is not {self.name}",
            )
