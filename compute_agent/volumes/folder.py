"""Volumes as files in a folder, this node's own or one that all nodes see; QEMU opens them directly.

    <folder>/volumes/<volume id>.<format>      qcow2 or raw, sparse
    <folder>/volumes/<that name>.taken-over    says that its bytes came from elsewhere
    <folder>/snapshots/<snapshot id>.qcow2     a copy that stands alone
    <folder>/unmanaged/, unmanaged-snapshots/  what is no volume or snapshot, but could be (unmanaged.py)
    <folder>/copies/<image id>                 on its way to the image service
    <folder>/notes/<volume id>.json            the generation last obeyed

Names are ids of ours. Files get their final name when they are whole, are readable by root (and, while a guest has
them, by its QEMU) only, and are new ones always: unwritten parts read as zeros, whatever lay on the disk before.
"""

from __future__ import annotations

import contextlib
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from common import image_inspector
from common.clock import Clock
from common.errors import StorageError, ToolFailed
from common.rpc.command_base import ImageSpec
from compute_agent.storage import ownership, qemu_img
from compute_agent.storage.uploader import Uploader
from compute_agent.volumes.base import Measure, NewVolume, forget
from compute_agent.volumes.images import VolumeImages
from compute_agent.volumes.notes import Notes, checked
from compute_agent.volumes.place import Bytes, VolumeBytes, VolumeFile
from compute_agent.volumes.served import ServedVolumes
from compute_agent.volumes.taken_over import bytes_of
from compute_agent.volumes.unmanaged import Kind, UnmanagedFiles

GIB = 1024**3
FORMATS = ("qcow2", "raw")
SNAPSHOT_FORMAT = "qcow2"


class VolumeFolder:
    """Implements base.VolumeStore."""

    moments = None

    def __init__(
        self,
        folder: Path,
        *,
        images: VolumeImages,
        uploader: Uploader,
        served: ServedVolumes,
        clock: Clock,
    ) -> None:
        self.served = served
        self._images, self._uploader = images, uploader
        group = ownership.qemu_group()
        ownership.make_folder(folder, group)
        self._volumes, self._snapshots, self._copies = (folder / name for name in ("volumes", "snapshots", "copies"))
        ownership.make_folder(self._volumes, group)
        ownership.make_folder(self._snapshots, group)  # a running guest's QEMU writes a copy of its disk there itself
        ownership.make_folder(self._copies, group)
        self._notes = Notes(folder / "notes", clock)
        self.unmanaged = UnmanagedFiles(folder, image_inspector.virtual_size)

    def file(self, volume_id: str, disk_format: str) -> VolumeFile:
        path = self.path(volume_id, disk_format)
        try:
            found = path.lstat()
        except FileNotFoundError as err:
            raise StorageError(f"volume {volume_id} is not on this node", volume_id=volume_id) from err
        except OSError as err:
            raise StorageError(f"volume {volume_id} is not readable on this node", detail=str(err)) from err
        if not stat.S_ISREG(found.st_mode):  # a link could lead to somebody else's bytes
            raise StorageError(f"volume {volume_id} is no plain file on this node; it is left alone", detail=str(path))
        return VolumeFile(path, disk_format)

    def make(self, new: NewVolume) -> None:
        with self._new(new) as path:
            if path is not None:
                qemu_img.create_empty(path, disk_format=new.format, size_bytes=new.size_gib * GIB)

    def make_from_image(self, new: NewVolume, image: ImageSpec, measure: Measure) -> None:
        with self._images.held(image, measure) as source, measure("volume"):
            self.make_from(new, source)

    def make_from(self, new: NewVolume, source: VolumeBytes) -> None:
        with self._new(new) as path:
            if path is not None:
                _convert(source, path, new.format, new.size_gib)

    def exists(self, volume_id: str) -> bool:
        return any(self.path(volume_id, each).exists() for each in FORMATS)

    def take_in(self, volume_id: str, disk_format: str, name: str) -> None:
        self.unmanaged.take_in(Kind.VOLUMES, name, self.path(volume_id, disk_format), disk_format)

    def hand_out(self, volume_id: str, disk_format: str, name: str) -> None:
        self.unmanaged.hand_out(Kind.VOLUMES, self.path(volume_id, disk_format), name)

    def virtual_size(self, volume: VolumeBytes) -> int:
        with _explained("volume", str(volume)):
            return qemu_img.size_of(volume.source())

    def resize(self, volume_id: str, disk_format: str, size_gib: int) -> None:
        file = self.file(volume_id, disk_format)
        with _explained("volume", volume_id):
            if qemu_img.virtual_size(file.path, disk_format) < size_gib * GIB:
                qemu_img.resize(file.path, disk_format=disk_format, size_bytes=size_gib * GIB)

    def replace(self, volume_id: str, disk_format: str, size_gib: int, source: VolumeBytes) -> None:
        path = self.file(volume_id, disk_format).path
        with _explained("volume", volume_id), _made(path) as new:
            _convert(source, new, disk_format, size_gib)

    def replace_by_image(
        self, volume_id: str, disk_format: str, size_gib: int, image: ImageSpec, measure: Measure
    ) -> None:
        with self._images.held(image, measure) as source, measure("volume"):
            self.replace(volume_id, disk_format, size_gib, source)

    def revert(self, volume_id: str, disk_format: str, size_gib: int, snapshot_id: str) -> None:
        self.replace(volume_id, disk_format, size_gib, self.snapshot(volume_id, snapshot_id))

    def source(self, volume_id: str, disk_format: str) -> Bytes:
        return bytes_of(self.file(volume_id, disk_format))

    def take_over(self, new: NewVolume, source: Bytes) -> None:
        path = self.path(new.id, new.format)
        mark = _mark(path)
        with _explained("volume", new.id):
            if path.exists():
                if not mark.exists():  # perhaps the very file that the bytes are to come from
                    raise StorageError(
                        f"volume {new.id} has a file on this node already; it is left alone: do the nodes see one folder,"
                        " without [storage] volumes_shared?", detail=str(path),
                    )  # fmt: skip
                source.compare(self.file(new.id, new.format))
                return
            mark.touch(mode=ownership.PRIVATE)
            ownership.settle(mark)
            with _made(path) as made:
                source.copy_to(made, new.format)
                source.compare(VolumeFile(made, new.format))

    def discard(self, volume_id: str, disk_format: str, *, taken_over: bool) -> None:
        path = self.path(volume_id, disk_format)
        with _explained("volume", volume_id):
            if not taken_over or _mark(path).exists():
                _unlink(path)

    def remove(self, volume_id: str) -> None:
        with _explained("volume", volume_id):
            for each in FORMATS:
                _unlink(self.path(volume_id, each))

    def snapshot_file(self, snapshot_id: str) -> Path:
        return self._snapshots / f"{checked(snapshot_id)}.{SNAPSHOT_FORMAT}"

    def snapshot(self, volume_id: str, snapshot_id: str) -> VolumeFile:  # noqa: ARG002 - the interface's
        path = self.snapshot_file(snapshot_id)
        if not path.exists():
            raise StorageError(f"snapshot {snapshot_id} is not on this node")
        return VolumeFile(path, SNAPSHOT_FORMAT)

    def take_in_snapshot(self, snapshot_id: str, name: str) -> None:
        self.unmanaged.take_in(Kind.SNAPSHOTS, name, self.snapshot_file(snapshot_id), SNAPSHOT_FORMAT)

    def remove_snapshot(self, volume_id: str, snapshot_id: str, *, unmanaged_as: str = "") -> None:  # noqa: ARG002
        path = self.snapshot_file(snapshot_id)
        if unmanaged_as:
            self.unmanaged.hand_out(Kind.SNAPSHOTS, path, unmanaged_as)
        forget(path)

    def copy_file(self, image_id: str) -> Path:
        return self._copies / checked(image_id)

    def copy(self, source: VolumeBytes, target: Path, target_format: str) -> None:
        with _explained("a copy of", str(source)), _made(target) as new:
            qemu_img.convert_from(source.source(), new, target_format)

    def generation(self, volume_id: str) -> int:
        return self._notes.generation(volume_id)

    def obeyed(self, volume_id: str, generation: int) -> None:
        self._notes.obeyed(volume_id, generation)

    def upload(self, url: str, path: Path, checkpoint: Callable[[], None]) -> None:
        self._uploader.put(url, path, checkpoint)

    def upkeep(self) -> None:
        self._notes.purge({path.name.partition(".")[0] for path in self._volumes.iterdir()})

    def path(self, volume_id: str, disk_format: str) -> Path:
        if disk_format not in FORMATS:
            raise StorageError(f"volume {volume_id} has the unknown format {disk_format[:40]!r}", volume_id=volume_id)
        return self._volumes / f"{checked(volume_id)}.{disk_format}"

    @contextlib.contextmanager
    def _new(self, new: NewVolume) -> Iterator[Path | None]:
        """None: the volume is there already, whole, made by an earlier life of this command."""
        path = self.path(new.id, new.format)
        with _explained("volume", new.id):
            if path.exists():
                self.file(new.id, new.format)
                yield None
                return
            with _made(path) as made:
                yield made


def _mark(path: Path) -> Path:
    return path.with_name(path.name + ".taken-over")


def _unlink(path: Path) -> None:
    """The file first: a mark without one harms nobody."""
    path.unlink(missing_ok=True)
    path.with_name(path.name + ".new").unlink(missing_ok=True)
    _mark(path).unlink(missing_ok=True)


def _convert(source: VolumeBytes, target: Path, target_format: str, size_gib: int) -> None:
    qemu_img.convert_from(source.source(), target, target_format)
    if qemu_img.virtual_size(target, target_format) < size_gib * GIB:
        qemu_img.resize(target, disk_format=target_format, size_bytes=size_gib * GIB)


@contextlib.contextmanager
def _made(path: Path) -> Iterator[Path]:
    """A private file under a passing name, which becomes `path` when the block ends well and vanishes otherwise."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    new.touch(mode=ownership.PRIVATE)  # tools write into it and leave its mode alone
    try:
        yield new
        ownership.settle(new)
        new.rename(path)
    finally:
        new.unlink(missing_ok=True)


@contextlib.contextmanager
def _explained(what: str, resource_id: str) -> Iterator[None]:
    """What the system or a tool says goes to the detail; users learn what could not be done."""
    try:
        yield
    except (OSError, ToolFailed) as err:
        detail = err.detail if isinstance(err, ToolFailed) else str(err)
        raise StorageError(
            f"{what} {resource_id} could not be made, changed or removed on this node; see the node's log",
            detail=detail,
        ) from err
