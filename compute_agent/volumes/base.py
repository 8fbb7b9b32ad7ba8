"""What the agent's core asks of the place where volumes are: one small interface, whatever keeps the bytes.

`VolumeFolder` keeps real files, `RbdVolumes` images of a Ceph pool; `NoVolumes` serves the drivers whose guests have no
disks. `VolumeStores` has those of a node.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from common.errors import StorageError
from common.rpc.command_base import ImageSpec
from common.volume_capabilities import RBD
from compute_agent.volumes.place import Bytes, VolumeBytes
from compute_agent.volumes.served import ServedVolumes
from compute_agent.volumes.unmanaged import UnmanagedFiles

Measure = Callable[[str], AbstractContextManager[None]]
"""Measures a block under a name of the report's timings: image, volume."""


def forget(path: Path) -> None:
    """Remove a copy, whole or half made. Succeeds when there is none."""
    for each in (path, path.with_name(path.name + ".part"), path.with_name(path.name + ".new")):
        each.unlink(missing_ok=True)


@dataclass(frozen=True)
class NewVolume:
    """A volume that is to be made. shareable: several guests may have it at once."""

    id: str
    format: str
    size_gib: int
    shareable: bool = False


class Moments(Protocol):
    """Of stores that can hold a volume's bytes of one moment themselves, whoever writes to it meanwhile."""

    def take(self, volume_id: str, snapshot_id: str) -> None:
        """Make the snapshot."""
        ...

    def hold(self, volume_id: str, name: str) -> VolumeBytes:
        """The bytes of now, for a copy; those that were held under this name before go."""
        ...

    def let_go(self, volume_id: str, name: str) -> None:
        """Succeeds when nothing is held."""
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

    @property
    def moments(self) -> Moments | None:
        """None: copies of what a guest writes to are its hypervisor's to make, or those of the daemon that serves it."""
        ...

    def file(self, volume_id: str, disk_format: str) -> VolumeBytes:
        """Where the volume's bytes are. Raises StorageError when they aren't here, or are of another format."""
        ...

    def make(self, new: NewVolume) -> None:
        """Empty."""
        ...

    def make_from_image(self, new: NewVolume, image: ImageSpec, measure: Measure) -> None:
        """Also raises ImageDamaged and ImageRefused."""
        ...

    def make_from(self, new: NewVolume, source: VolumeBytes) -> None:
        """With bytes that nobody writes to."""
        ...

    def exists(self, volume_id: str) -> bool: ...

    def take_in(self, volume_id: str, disk_format: str, name: str) -> None:
        """Make the volume of an unmanaged file."""
        ...

    def hand_out(self, volume_id: str, disk_format: str, name: str) -> None:
        """The reverse."""
        ...

    def virtual_size(self, volume: VolumeBytes) -> int:
        """In bytes, as a guest sees it."""
        ...

    def resize(self, volume_id: str, disk_format: str, size_gib: int) -> None:
        """Make the file larger; one that is at least as large stays. Nobody may have it open."""
        ...

    def replace(self, volume_id: str, disk_format: str, size_gib: int, source: VolumeBytes) -> None:
        """Give the volume other bytes; it keeps its size. When that fails it has those it had."""
        ...

    def replace_by_image(
        self, volume_id: str, disk_format: str, size_gib: int, image: ImageSpec, measure: Measure
    ) -> None:
        """As `replace`, with the bytes of an image. Also raises ImageDamaged and ImageRefused."""
        ...

    def revert(self, volume_id: str, disk_format: str, size_gib: int, snapshot_id: str) -> None:
        """As `replace`, with the bytes of a snapshot."""
        ...

    def source(self, volume_id: str, disk_format: str) -> Bytes:
        """The bytes of a volume here, for `take_over` in another format or by another store."""
        ...

    def take_over(self, new: NewVolume, source: Bytes) -> None:
        """Make the volume with the bytes of the source, compared with them before it gets its name.

        One that was taken over before is compared again. Raises StorageError for any other that is there.
        """
        ...

    def discard(self, volume_id: str, disk_format: str, *, taken_over: bool) -> None:
        """Remove the file of this format only. taken_over: only if `take_over` has made it."""
        ...

    def remove(self, volume_id: str) -> None: ...

    def snapshot_file(self, snapshot_id: str) -> Path:
        """Where a copy that is a snapshot is, or will be when it is whole, always qcow2; not of a store with moments."""
        ...

    def snapshot(self, volume_id: str, snapshot_id: str) -> VolumeBytes:
        """Raises StorageError when it is not here."""
        ...

    def take_in_snapshot(self, snapshot_id: str, name: str) -> None:
        """Make a snapshot of an unmanaged file."""
        ...

    def remove_snapshot(self, volume_id: str, snapshot_id: str, *, unmanaged_as: str = "") -> None:
        """Whole or half made. Succeeds when there is none. unmanaged_as: it is kept, as an unmanaged file of this name."""
        ...

    def copy_file(self, image_id: str) -> Path:
        """Where a copy for an image or a backup is, or will be, when it is whole."""
        ...

    def copy(self, source: VolumeBytes, target: Path, target_format: str) -> None:
        """Copy bytes that nobody writes to, to a new file that stands alone."""
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


@dataclass(frozen=True)
class VolumeStores:
    """A node's, by back end. folder: of `files` and `nbd`, and of copies that are on their way to elsewhere."""

    folder: VolumeStore
    rbd: VolumeStore | None = None

    def of(self, backend: str) -> VolumeStore:
        """Raises StorageError for a back end that the node has not."""
        if backend != RBD:
            return self.folder
        if self.rbd is None:
            raise StorageError("this node reaches no Ceph: rbd is not among its [storage] volume_backends")
        return self.rbd

    def upkeep(self) -> None:
        self.folder.upkeep()
        if self.rbd is not None:
            self.rbd.upkeep()
