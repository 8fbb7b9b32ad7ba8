"""Volumes as images of a Ceph pool, which QEMU opens itself (librbd): of no node, and within reach of all that have the pool.

    <pool>/volume-<volume id>                      raw; whole when it is marked so
    <pool>/volume-<volume id>@snapshot-<its id>    a snapshot
    <pool>/volume-<volume id>@moment-<id>          the bytes of one moment, while a copy is made of them
    <pool>/volume-<volume id>@before-<generation>  what it was, while it is given other bytes by a command
    <pool>/cumulet.notes                           an object: the generation last obeyed, by volume

Names are ids of ours. Every volume stands alone: what is made from another has its bytes, and no parent.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable, Iterator
from pathlib import Path

from common.clock import Clock
from common.deadlines import RBD_BUSY_S
from common.errors import StorageError, ToolFailed
from common.rpc.command_base import ImageSpec
from compute_agent.storage import qemu_img
from compute_agent.storage.rbd import RbdPool
from compute_agent.storage.rbd_image import RbdImage
from compute_agent.volumes.base import Measure, NewVolume, VolumeStore
from compute_agent.volumes.images import VolumeImages
from compute_agent.volumes.notes import checked
from compute_agent.volumes.place import Bytes, VolumeBytes
from compute_agent.volumes.pool_notes import PoolNotes
from compute_agent.volumes.served import ServedVolumes
from compute_agent.volumes.taken_over import bytes_of
from compute_agent.volumes.unmanaged import UnmanagedFiles

RAW = "raw"
GIB = 1024**3
_BUSY_LOOK_S = 2.0
_WHOLE, _TAKEN_OVER = "cumulet.whole", "cumulet.taken-over"
_BEFORE, _MOMENT, _SNAPSHOT = "before-", "moment-", "snapshot-"


class RbdVolumes:
    """Implements base.VolumeStore. folder: of this node, where copies are made that go elsewhere."""

    def __init__(
        self, pool: RbdPool, folder: VolumeStore, *, images: VolumeImages, notes: PoolNotes, clock: Clock
    ) -> None:
        self._pool, self._folder, self._images, self._notes, self._clock = pool, folder, images, notes, clock
        self.moments = RbdMoments(pool)

    @property
    def served(self) -> ServedVolumes:
        return self._folder.served

    @property
    def unmanaged(self) -> UnmanagedFiles:
        return self._folder.unmanaged

    def file(self, volume_id: str, disk_format: str) -> RbdImage:
        image = self._image(volume_id, disk_format)
        with _explained("volume", volume_id):
            if not self._pool.has_mark(image, _WHOLE):
                raise StorageError(f"volume {volume_id} is not in the pool", volume_id=volume_id)
        return image

    def make(self, new: NewVolume) -> None:
        with self._new(new):
            pass

    def make_from_image(self, new: NewVolume, image: ImageSpec, measure: Measure) -> None:
        with self._images.held(image, measure) as source, measure("volume"):
            self.make_from(new, source)

    def make_from(self, new: NewVolume, source: VolumeBytes) -> None:
        with self._new(new) as image:
            if image is not None:
                qemu_img.convert_into(source.source(), image.source())

    def exists(self, volume_id: str) -> bool:
        with _explained("volume", volume_id):
            return self._pool.has_mark(self._image(volume_id), _WHOLE)

    def take_in(self, volume_id: str, disk_format: str, name: str) -> None:  # noqa: ARG002 - the interface's
        raise _not_a_file(volume_id)

    def hand_out(self, volume_id: str, disk_format: str, name: str) -> None:  # noqa: ARG002
        raise _not_a_file(volume_id)

    def virtual_size(self, volume: VolumeBytes) -> int:
        with _explained("volume", str(volume)):
            return qemu_img.size_of(volume.source())

    def resize(self, volume_id: str, disk_format: str, size_gib: int) -> None:
        image = self.file(volume_id, disk_format)
        with _explained("volume", volume_id):
            size_bytes = self._pool.size_bytes(image)
            if size_bytes is not None and size_bytes < size_gib * GIB:
                self._pool.resize(image, size_gib)

    def replace(self, volume_id: str, disk_format: str, size_gib: int, source: VolumeBytes) -> None:
        image = self.file(volume_id, disk_format)
        with _explained("volume", volume_id), self._unless_it_fails(volume_id, image):
            self._pool.empty(image, size_gib)
            qemu_img.convert_into(source.source(), image.source())

    def replace_by_image(
        self, volume_id: str, disk_format: str, size_gib: int, image: ImageSpec, measure: Measure
    ) -> None:
        with self._images.held(image, measure) as source, measure("volume"):
            self.replace(volume_id, disk_format, size_gib, source)

    def revert(self, volume_id: str, disk_format: str, size_gib: int, snapshot_id: str) -> None:
        image, snapshot = self.file(volume_id, disk_format), self.snapshot(volume_id, snapshot_id)
        with _explained("volume", volume_id), self._unless_it_fails(volume_id, image):
            self._pool.roll_back(snapshot)
            if self._pool.size_bytes(image) != size_gib * GIB:
                self._pool.resize(image, size_gib)

    def source(self, volume_id: str, disk_format: str) -> Bytes:
        return bytes_of(self.file(volume_id, disk_format))

    def take_over(self, new: NewVolume, source: Bytes) -> None:
        image = self._image(new.id, new.format)
        with _explained("volume", new.id):
            if self._pool.has_mark(image, _WHOLE):
                if not self._pool.has_mark(image, _TAKEN_OVER):
                    raise StorageError(f"volume {new.id} is in the pool already; it is left alone")
                source.compare(image)
                return
            self._begin(image, new)
            self._pool.mark(image, _TAKEN_OVER)
            source.copy_into(image)
            source.compare(image)
            self._pool.mark(image, _WHOLE)

    def discard(self, volume_id: str, disk_format: str, *, taken_over: bool) -> None:
        image = self._image(volume_id, disk_format)
        with _explained("volume", volume_id):
            if not taken_over or self._pool.has_mark(image, _TAKEN_OVER) or not self._pool.has_mark(image, _WHOLE):
                self._clear(image)
                self._remove(image)

    def remove(self, volume_id: str) -> None:
        image = self._image(volume_id)
        with _explained("volume", volume_id):
            self._clear(image)
            self._remove(image)

    def snapshot_file(self, snapshot_id: str) -> Path:
        raise StorageError(f"snapshot {snapshot_id} is no file", snapshot_id=snapshot_id)

    def snapshot(self, volume_id: str, snapshot_id: str) -> RbdImage:
        found = _snapshot(self._image(volume_id), snapshot_id)
        with _explained("snapshot", snapshot_id):
            if found.snapshot not in self._pool.snapshots(self._image(volume_id)):
                raise StorageError(f"snapshot {snapshot_id} is not in the pool")
        return found

    def take_in_snapshot(self, snapshot_id: str, name: str) -> None:  # noqa: ARG002
        raise _not_a_file(snapshot_id)

    def remove_snapshot(self, volume_id: str, snapshot_id: str, *, unmanaged_as: str = "") -> None:
        if unmanaged_as:
            raise _not_a_file(snapshot_id)
        with _explained("snapshot", snapshot_id):
            self._pool.remove_snapshot(_snapshot(self._image(volume_id), snapshot_id))

    def copy_file(self, image_id: str) -> Path:
        return self._folder.copy_file(image_id)

    def copy(self, source: VolumeBytes, target: Path, target_format: str) -> None:
        self._folder.copy(source, target, target_format)

    def generation(self, volume_id: str) -> int:
        with _explained("volume", volume_id):
            return self._notes.generation(checked(volume_id))

    def obeyed(self, volume_id: str, generation: int) -> None:
        with _explained("volume", volume_id):
            self._notes.obeyed(checked(volume_id), generation)

    def upload(self, url: str, path: Path, checkpoint: Callable[[], None]) -> None:
        self._folder.upload(url, path, checkpoint)

    def upkeep(self) -> None:
        with _explained("notes of", "the pool"):
            self._notes.purge({name.removeprefix("volume-") for name in self._pool.names()})

    def _image(self, volume_id: str, disk_format: str = RAW) -> RbdImage:
        if disk_format != RAW:
            raise StorageError(f"volume {volume_id} is in a pool, where all are raw", volume_id=volume_id)
        return _image_of(self._pool, volume_id)

    @contextlib.contextmanager
    def _new(self, new: NewVolume) -> Iterator[RbdImage | None]:
        """None: the volume is there already, whole, made by an earlier life of this command."""
        image = self._image(new.id, new.format)
        with _explained("volume", new.id):
            if self._pool.has_mark(image, _WHOLE):
                yield None
                return
            self._begin(image, new)
            yield image
            self._pool.mark(image, _WHOLE)

    def _begin(self, image: RbdImage, new: NewVolume) -> None:
        """Half of one goes, for nobody knows how much of it is there."""
        self._clear(image)
        self._remove(image)
        self._pool.create(image, new.size_gib, shared=new.shareable)

    @contextlib.contextmanager
    def _unless_it_fails(self, volume_id: str, image: RbdImage) -> Iterator[None]:
        """The image has its bytes again when the block fails. A command that a killed agent has begun goes on: what the
        volume was before it is there then."""
        before = image.at(f"{_BEFORE}{self._notes.generation(volume_id)}")
        if before.snapshot not in self._pool.snapshots(image):
            self._clear(image)
            self._pool.take_snapshot(before)
        try:
            yield
        except (ToolFailed, StorageError):
            self._pool.roll_back(before)
            self._pool.remove_snapshot(before)
            raise
        self._pool.remove_snapshot(before)

    def _remove(self, image: RbdImage) -> None:
        """Not one that a guest has open, but one that a guest or tool had that was killed."""
        until = self._clock.monotonic() + RBD_BUSY_S
        while True:
            try:
                return self._pool.remove(image)
            except ToolFailed as err:
                if err.facts.get("status") != errno.EBUSY or self._clock.monotonic() >= until:
                    raise
            self._clock.sleep(_BUSY_LOOK_S)

    def _clear(self, image: RbdImage) -> None:
        """What commands that were given up have left; snapshots of the volume's own stay, and keep it."""
        for name in self._pool.snapshots(image):
            if name.startswith((_BEFORE, _MOMENT)):
                self._pool.remove_snapshot(image.at(name))


class RbdMoments:
    """Implements base.Moments. Who has the image open writes down what it holds back before librbd takes a snapshot."""

    def __init__(self, pool: RbdPool) -> None:
        self._pool = pool

    def take(self, volume_id: str, snapshot_id: str) -> None:
        image = _image_of(self._pool, volume_id)
        snapshot = _snapshot(image, snapshot_id)
        with _explained("snapshot", snapshot_id):
            if snapshot.snapshot not in self._pool.snapshots(image):
                self._pool.take_snapshot(snapshot)

    def hold(self, volume_id: str, name: str) -> RbdImage:
        moment = _image_of(self._pool, volume_id).at(_MOMENT + checked(name))
        with _explained("a copy of", volume_id):
            self._pool.remove_snapshot(moment)
            self._pool.take_snapshot(moment)
        return moment

    def let_go(self, volume_id: str, name: str) -> None:
        moment = _image_of(self._pool, volume_id).at(_MOMENT + checked(name))
        with _explained("a copy of", volume_id):
            self._pool.remove_snapshot(moment)


def _image_of(pool: RbdPool, volume_id: str) -> RbdImage:
    return pool.image(f"volume-{checked(volume_id)}")


def _snapshot(image: RbdImage, snapshot_id: str) -> RbdImage:
    return image.at(_SNAPSHOT + checked(snapshot_id))


def _not_a_file(resource_id: str) -> StorageError:
    return StorageError(f"{resource_id} is in a pool: nothing there comes from files, or becomes one")


@contextlib.contextmanager
def _explained(what: str, resource_id: str) -> Iterator[None]:
    """What a tool says goes to the detail; users learn what could not be done."""
    try:
        yield
    except ToolFailed as err:
        raise StorageError(
            f"{what} {resource_id} could not be made, changed or removed in the pool; see the node's log",
            detail=err.detail,
        ) from err
