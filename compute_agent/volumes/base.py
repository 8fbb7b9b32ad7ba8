"""What the agent's core asks of the place where volumes are: one small interface, whatever keeps the bytes.

`VolumeFolder` keeps real files; `NoVolumes` serves the drivers whose guests have no disks.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from common.rpc.command_base import ImageSpec
from compute_agent.volumes.served import ServedVolumes
from compute_agent.volumes.unmanaged import UnmanagedFiles

Measure = Callable[[str], AbstractContextManager[None]]
"""Measures a block under a name of the report's timings: image, volume."""


@dataclass(frozen=True)
class VolumeFile:
    """A volume, snapshot or copy that exists, in the format it was made in."""

    path: Path
    format: str


def forget(path: Path) -> None:
    """Remove a copy, whole or half made. Succeeds when there is none."""
    for each in (path, path.with_name(path.name + ".part"), path.with_name(path.name + ".new")):
        each.unlink(missing_ok=True)


class Bytes(Protocol):
    """What a volume's bytes are taken over from, and compared with afterwards. Both raise StorageError, ToolFailed."""

    def copy_to(self, path: Path, disk_format: str) -> None: ...

    def compare(self, file: VolumeFile) -> None:
        """Raises StorageError when a byte differs."""
        ...


class VolumeStore(Protocol):
    """All verbs are idempotent and raise common.errors.StorageError; calls for one volume are serial.

    Formats are the ones that were recorded when the bytes were made; nothing here guesses one.
    """

    @property
    def served(self) -> ServedVolumes:
        """How volumes come from the nodes that have them to those whose guests have them as disks."""
        ...

    @property
    def unmanaged(self) -> UnmanagedFiles:
        """Files that may become volumes and snapshots, or were some."""
        ...

    def path(self, volume_id: str, disk_format: str) -> Path:
        """Where the volume's file is, or will be."""
        ...

    def file(self, volume_id: str, disk_format: str) -> VolumeFile:
        """The volume's file. Raises StorageError when it isn't here, or is of another format."""
        ...

    def make_empty(self, volume_id: str, disk_format: str, size_gib: int) -> None: ...

    def make_from_image(
        self, volume_id: str, disk_format: str, size_gib: int, image: ImageSpec, measure: Measure
    ) -> None:
        """Also raises ImageDamaged and ImageRefused."""
        ...

    def make_from(self, volume_id: str, disk_format: str, size_gib: int, source: VolumeFile) -> None:
        """With the bytes of a file that nobody writes to."""
        ...

    def exists(self, volume_id: str) -> bool: ...

    def virtual_size(self, file: VolumeFile) -> int:
        """In bytes, as a guest sees it."""
        ...

    def resize(self, volume_id: str, disk_format: str, size_gib: int) -> None:
        """Make the file larger; one that is at least as large stays. Nobody may have it open."""
        ...

    def replace(self, volume_id: str, disk_format: str, size_gib: int, source: VolumeFile) -> None:
        """Give the volume the bytes of another file, in one moment; it keeps its size."""
        ...

    def replace_by_image(
        self, volume_id: str, disk_format: str, size_gib: int, image: ImageSpec, measure: Measure
    ) -> None:
        """As `replace`, with the bytes of an image. Also raises ImageDamaged and ImageRefused."""
        ...

    def source(self, volume_id: str, disk_format: str) -> Bytes:
        """The bytes of a volume's file here, for `take_over` in another format."""
        ...

    def take_over(self, volume_id: str, disk_format: str, source: Bytes) -> None:
        """Make the file with the bytes of the source, compared with them before it gets its name.

        One that was taken over before is compared again. Raises StorageError for any other that is there.
        """
        ...

    def discard(self, volume_id: str, disk_format: str, *, taken_over: bool) -> None:
        """Remove the file of this format only. taken_over: only if `take_over` has made it."""
        ...

    def remove(self, volume_id: str) -> None: ...

    def snapshot_file(self, snapshot_id: str) -> Path:
        """Where a snapshot is, or will be, when it is whole; always qcow2."""
        ...

    def copy_file(self, image_id: str) -> Path:
        """Where a copy for an image or a backup is, or will be, when it is whole."""
        ...

    def copy(self, source: VolumeFile, target: Path, target_format: str) -> None:
        """Copy a file that nobody writes to, to a new one that stands alone."""
        ...

    def generation(self, volume_id: str) -> int:
        """The generation of the last command about the volume that was obeyed; 0 for none, also after a removal."""
        ...

    def obeyed(self, volume_id: str, generation: int) -> None:
        """Note it, before anything is done."""
        ...

    def upload(self, url: str, path: Path, checkpoint: Callable[[], None]) -> None:
        """Send a file to the image service. `checkpoint` is called now and then, and may raise to give up."""
        ...

    def upkeep(self) -> None:
        """Housekeeping: forget removals that no command can be late for any more."""
        ...
