"""Volumes for the drivers `fake` and `test`: a file of nothing but its length each, so that nodes made of files call no tool.

A second folder, which all of them see, stands for a Ceph pool.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from common.clock import Clock
from common.errors import StorageError
from common.rpc.command_base import ImageSpec
from compute_agent.hypervisor.fake import EMPTY_COPY
from compute_agent.storage.uploader import Uploader
from compute_agent.volumes.base import Measure, Moments, NewVolume, forget
from compute_agent.volumes.not_served import NothingTaken, PretendedVolumes
from compute_agent.volumes.notes import Notes, checked
from compute_agent.volumes.place import Bytes, VolumeBytes, VolumeFile
from compute_agent.volumes.served import ServedVolumes
from compute_agent.volumes.unmanaged import Kind, UnmanagedFiles

GIB = 1024**3


class NoVolumes:
    """Implements base.VolumeStore. The file stands for the bytes: a volume whose file is gone can't be attached."""

    def __init__(self, folder: Path, uploader: Uploader, clock: Clock, *, has_moments: bool = False) -> None:
        self._folder, self._uploader = folder, uploader
        self.moments: Moments | None = _PretendedMoments(self) if has_moments else None
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.served: ServedVolumes = PretendedVolumes(folder.with_name(f"{folder.name}-served"))
        self._notes = Notes(folder / "notes", clock)
        self.unmanaged = UnmanagedFiles(folder, lambda path, _format: path.stat().st_size)

    def file(self, volume_id: str, disk_format: str) -> VolumeFile:
        path = self._path(volume_id)
        if not path.exists():
            raise StorageError(f"volume {volume_id} is not on this node", volume_id=volume_id)
        return VolumeFile(path, disk_format)

    def make(self, new: NewVolume) -> None:
        self._touch(self._path(new.id), new.size_gib)

    def make_from_image(self, new: NewVolume, _image: ImageSpec, measure: Measure) -> None:
        with measure("image"), measure("volume"):
            self.make(new)

    def make_from(self, new: NewVolume, source: VolumeBytes) -> None:
        _check_there(source)
        self.make(new)

    def exists(self, volume_id: str) -> bool:
        return self._path(volume_id).exists()

    def take_in(self, volume_id: str, disk_format: str, name: str) -> None:
        self.unmanaged.take_in(Kind.VOLUMES, name, self._path(volume_id), disk_format)

    def hand_out(self, volume_id: str, disk_format: str, name: str) -> None:  # noqa: ARG002
        self.unmanaged.hand_out(Kind.VOLUMES, self._path(volume_id), name)

    def virtual_size(self, volume: VolumeBytes) -> int:
        return _check_there(volume).stat().st_size

    def resize(self, volume_id: str, disk_format: str, size_gib: int) -> None:
        os.truncate(self.file(volume_id, disk_format).path, size_gib * GIB)

    def replace(self, volume_id: str, disk_format: str, size_gib: int, source: VolumeBytes) -> None:  # noqa: ARG002
        self.file(volume_id, disk_format)

    def replace_by_image(
        self, volume_id: str, disk_format: str, _size_gib: int, _image: ImageSpec, measure: Measure
    ) -> None:
        with measure("image"), measure("volume"):
            self.file(volume_id, disk_format)

    def source(self, volume_id: str, disk_format: str) -> Bytes:
        self.file(volume_id, disk_format)
        return NothingTaken()

    def revert(self, volume_id: str, disk_format: str, size_gib: int, snapshot_id: str) -> None:
        self.replace(volume_id, disk_format, size_gib, self.snapshot(volume_id, snapshot_id))

    def take_over(self, new: NewVolume, source: Bytes) -> None:
        path = self._taken_over(new.id, new.format)
        if not path.exists():
            self._touch(path)
            source.copy_to(path, new.format)
        source.compare(VolumeFile(path, new.format))

    def discard(self, volume_id: str, disk_format: str, *, taken_over: bool) -> None:
        own = () if taken_over else (self._folder / checked(volume_id),)
        for path in (*own, self._taken_over(volume_id, disk_format)):
            path.unlink(missing_ok=True)

    def remove(self, volume_id: str) -> None:
        (self._folder / checked(volume_id)).unlink(missing_ok=True)
        for path in self._folder.glob(f"{checked(volume_id)}.*"):
            path.unlink(missing_ok=True)

    def snapshot_file(self, snapshot_id: str) -> Path:
        return self._folder / f"snapshot-{checked(snapshot_id)}"

    def snapshot(self, volume_id: str, snapshot_id: str) -> VolumeFile:  # noqa: ARG002
        path = self.snapshot_file(snapshot_id)
        if not path.exists():
            raise StorageError(f"snapshot {snapshot_id} is not on this node")
        return VolumeFile(path, "qcow2")

    def take_in_snapshot(self, snapshot_id: str, name: str) -> None:
        self.unmanaged.take_in(Kind.SNAPSHOTS, name, self.snapshot_file(snapshot_id), "qcow2")

    def remove_snapshot(self, volume_id: str, snapshot_id: str, *, unmanaged_as: str = "") -> None:  # noqa: ARG002
        path = self.snapshot_file(snapshot_id)
        if unmanaged_as:
            self.unmanaged.hand_out(Kind.SNAPSHOTS, path, unmanaged_as)
        forget(path)

    def copy_file(self, image_id: str) -> Path:
        return self._folder / f"copy-{checked(image_id)}"

    def copy(self, source: VolumeBytes, target: Path, target_format: str) -> None:
        _check_there(source)
        target.write_bytes(EMPTY_COPY if target_format == "qcow2" else bytes(2**20))

    def generation(self, volume_id: str) -> int:
        return self._notes.generation(volume_id)

    def obeyed(self, volume_id: str, generation: int) -> None:
        self._notes.obeyed(volume_id, generation)

    def upload(self, url: str, path: Path, checkpoint: Callable[[], None]) -> None:
        self._uploader.put(url, path, checkpoint)

    def upkeep(self) -> None:
        self._notes.purge({path.name.partition(".")[0] for path in self._folder.iterdir()})

    def _path(self, volume_id: str) -> Path:
        """The file it was made as, or that of the format it was taken over in."""
        first = self._folder / checked(volume_id)
        return first if first.exists() else next(iter(self._folder.glob(f"{checked(volume_id)}.*")), first)

    def _taken_over(self, volume_id: str, disk_format: str) -> Path:
        return self._folder / f"{checked(volume_id)}.{disk_format}"

    def _touch(self, path: Path, size_gib: int = 0) -> None:
        try:
            path.touch(mode=0o600)
            os.truncate(path, size_gib * GIB)
        except OSError as err:
            raise StorageError("the volume got no file on this node", detail=str(err)) from err


class _PretendedMoments:
    """Implements base.Moments: the volume's file stands for its bytes of any moment."""

    def __init__(self, store: NoVolumes) -> None:
        self._store = store

    def take(self, volume_id: str, snapshot_id: str) -> None:
        self._store.copy(self._store.file(volume_id, "raw"), self._store.snapshot_file(snapshot_id), "qcow2")

    def hold(self, volume_id: str, name: str) -> VolumeBytes:  # noqa: ARG002
        return self._store.file(volume_id, "raw")

    def let_go(self, volume_id: str, name: str) -> None: ...


def _check_there(volume: VolumeBytes) -> Path:
    if not isinstance(volume, VolumeFile) or not volume.path.exists():
        raise StorageError(f"{volume} is not on this node")
    return volume.path
