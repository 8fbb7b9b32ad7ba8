"""An instance's disk files: one folder each, made step by step and idempotently, removed or set aside as a whole.

    <state_dir>/instances/<instance id>/root.qcow2    overlay on a cached image
                                        base.json     which image that is, and its format
                                        ephemeral.raw swap.raw config.iso
                                        rescue.qcow2 rescue-config.iso   while it is rescued
    <state_dir>/orphans/<time>-<instance id>/         set aside; purged after seven days

Names are ids of ours; nothing a user wrote reaches a path. Files get their final name when they are whole.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath

import msgspec

from common import log, tool
from common.clock import Clock
from common.deadlines import ORPHAN_DISK_KEEP_S, QEMU_IMG_COPY_S, QEMU_IMG_S, TOOL_S
from common.errors import ImageRefused, StorageError, ToolFailed
from common.ids import is_uuid
from compute_agent.storage import ownership, qemu_img
from compute_agent.storage.image_cache import CachedImage

logger = logging.getLogger(__name__)
GIB = 1024**3
MIB = 1024**2
ROOT_NAME = "root.qcow2"
BASE_NAME = "base.json"
NVRAM_NAME = "nvram.fd"  # made by libvirt: what a guest with UEFI keeps over its power cycles
DISCARDED_NAME = "discarded"  # holds the id of the command that had the disks before these removed
_EPHEMERAL = "ephemeral*.raw"
_SWAP_NAME = "swap.raw"
RESCUE_NAME, _RESCUE_BASE_NAME = "rescue.qcow2", "rescue.json"
CONFIG_DRIVE_NAME, RESCUE_DRIVE_NAME = "config.iso", "rescue-config.iso"
_NOTES = {ROOT_NAME: BASE_NAME, RESCUE_NAME: _RESCUE_BASE_NAME}  # overlays, and what says which images they are on
_KEPT_NAME = "kept"  # copies of the disks from before a resize
_TIME = "%Y%m%dT%H%M%SZ"


def ephemeral_name(number: int) -> str:
    return f"ephemeral{number or ''}.raw"


@dataclass(frozen=True)
class DiskFile:
    """A disk that exists, in the format it was made in."""

    path: Path
    format: str


class _Base(msgspec.Struct, frozen=True, kw_only=True):
    sha512: str
    path: str
    format: str
    size_bytes: int


def recorded_base(disk: Path) -> DiskFile | None:
    """The image a root disk is built on, as it was noted when the disk was made; None for disks that stand alone.

    Raises StorageError when an overlay has lost its note: its base is never guessed.
    """
    name = _NOTES.get(disk.name)
    if name is None:
        return None
    try:
        note = msgspec.json.decode(disk.with_name(name).read_bytes(), type=_Base)
    except (OSError, msgspec.DecodeError) as err:
        raise StorageError(f"a disk has no readable note of its image ({name})", detail=f"{disk}: {err}") from err
    return DiskFile(Path(note.path), note.format)


class InstanceDisks:
    """All instances' disk files under one state_dir. Methods raise StorageError; calls for one instance are serial."""

    def __init__(self, state_dir: Path, clock: Clock) -> None:
        self._instances = state_dir / "instances"
        self._orphans = state_dir / "orphans"
        self._clock = clock
        self._group = ownership.qemu_group()
        ownership.make_folder(state_dir, self._group)
        ownership.make_folder(self._instances, self._group)
        ownership.make_folder(self._orphans, None)

    def folder(self, instance_id: str) -> Path:
        """Where the instance's files are; may not exist."""
        if not is_uuid(instance_id) or len(instance_id) != 36:
            raise StorageError(f"{instance_id!r} is not an instance id", instance_id=instance_id)
        return self._instances / instance_id

    def ensure_folder(self, instance_id: str) -> Path:
        folder = self.folder(instance_id)
        with _explained("the server's folder", instance_id):
            ownership.make_folder(folder, self._group)
        return folder

    def ensure_root(self, instance_id: str, base: CachedImage, root_gib: int) -> DiskFile:
        """The root disk: an overlay on `base` of root_gib, or of the image's size when root_gib is 0; grown if need be.

        Raises ImageRefused when the image needs more than root_gib.
        """
        size = root_gib * GIB or base.virtual_size_bytes
        if base.virtual_size_bytes > size:
            raise ImageRefused(
                f"the image needs a disk of {-(-base.virtual_size_bytes // GIB)} GiB and the flavor has {root_gib} GiB:"
                " take a larger flavor",
                instance_id=instance_id,
            )
        note = self.ensure_folder(instance_id) / BASE_NAME
        wanted = _Base(sha512=base.sha512, path=str(base.path), format=base.format, size_bytes=size)
        path = self.folder(instance_id) / ROOT_NAME
        with _explained("the root disk", instance_id):
            if path.exists():
                if self._check_base(instance_id, note, wanted).size_bytes < size:
                    qemu_img.grow(path, size)
                    with _made(note) as new:
                        new.write_bytes(msgspec.json.encode(wanted))
                return DiskFile(path, "qcow2")
            # The note first: from here on the base counts as used, whatever happens.
            with _made(note) as new:
                new.write_bytes(msgspec.json.encode(wanted))
            with _made(path) as new:
                qemu_img.create_overlay(new, base=base.path, base_format=base.format, size_bytes=size)
        return DiskFile(path, "qcow2")

    def ensure_rescue(self, instance_id: str, base: CachedImage) -> DiskFile:
        """A disk to rescue the instance with, as large as the image; what an earlier rescue used goes."""
        folder, size = self.ensure_folder(instance_id), base.virtual_size_bytes
        note, path = folder / _RESCUE_BASE_NAME, folder / RESCUE_NAME
        wanted = _Base(sha512=base.sha512, path=str(base.path), format=base.format, size_bytes=size)
        with _explained("the rescue disk", instance_id):
            if path.exists() and note.exists() and msgspec.json.decode(note.read_bytes(), type=_Base) == wanted:
                return DiskFile(path, "qcow2")
            with _made(note) as new:
                new.write_bytes(msgspec.json.encode(wanted))
            with _made(path) as new:
                qemu_img.create_overlay(new, base=base.path, base_format=base.format, size_bytes=size)
        return DiskFile(path, "qcow2")

    def remove_rescue(self, instance_id: str) -> None:
        """The disk first: while it is there, its note keeps its image."""
        with _explained("the rescue disk", instance_id):
            for name in (RESCUE_NAME, _RESCUE_BASE_NAME, RESCUE_DRIVE_NAME):
                (self.folder(instance_id) / name).unlink(missing_ok=True)

    def ensure_ephemeral(self, instance_id: str, size_gib: int, number: int = 0) -> DiskFile:
        """One more disk, with an empty ext4 labelled ephemeral0 (and so on), where cloud-init looks for it."""
        path = self.ensure_folder(instance_id) / ephemeral_name(number)
        with _explained("the ephemeral disk", instance_id):
            if not path.exists():
                with _made(path) as new:
                    qemu_img.create_empty(new, disk_format="raw", size_bytes=size_gib * GIB)
                    words = ["mkfs.ext4", "-q", "-F", "-L", f"ephemeral{number}", "-E", "lazy_itable_init=1", str(new)]
                    tool.run(words, timeout_s=QEMU_IMG_S)
        return DiskFile(path, "raw")

    def ensure_swap(self, instance_id: str, size_mib: int) -> DiskFile:
        path = self.ensure_folder(instance_id) / _SWAP_NAME
        with _explained("the swap disk", instance_id):
            if not path.exists() or path.stat().st_size != size_mib * MIB:
                with _made(path) as new:
                    qemu_img.create_empty(new, disk_format="raw", size_bytes=size_mib * MIB)
                    tool.run(["mkswap", "-L", "swap0", str(new)], timeout_s=TOOL_S)
        return DiskFile(path, "raw")

    def ensure_config_drive(
        self, instance_id: str, files: Mapping[str, bytes], name: str = CONFIG_DRIVE_NAME
    ) -> DiskFile:
        """An ISO 9660 image labelled config-2 with these files, whose names are paths such as openstack/latest/user_data.

        name: CONFIG_DRIVE_NAME or RESCUE_DRIVE_NAME. One that is there stays as it is.
        """
        folder = self.ensure_folder(instance_id)
        path = folder / name
        stage = folder / "config.stage"
        with _explained("the config drive", instance_id):
            if path.exists():
                return DiskFile(path, "raw")
            shutil.rmtree(stage, ignore_errors=True)
            stage.mkdir(mode=0o700)
            try:
                for at, content in files.items():
                    _write_below(stage, at, content)
                with _made(path) as new:
                    words = ["genisoimage", "-quiet", "-input-charset", "utf-8", "-V", "config-2", "-J", "-r"]
                    tool.run([*words, "-o", str(new), str(stage)], timeout_s=TOOL_S)
            finally:
                shutil.rmtree(stage, ignore_errors=True)
        return DiskFile(path, "raw")

    def images_in_use(self) -> set[str]:
        """sha512 of every image that a disk is built on, disks set aside included: their bases must stay."""
        used = set()
        for place in (self._instances, self._orphans):
            for note in (found for name in _NOTES.values() for found in place.glob(f"*/{name}")):
                with contextlib.suppress(FileNotFoundError):
                    used.add(msgspec.json.decode(note.read_bytes(), type=_Base).sha512)
        return used

    def known(self) -> list[str]:
        """The ids of the instances that have a folder here."""
        return sorted(place.name for place in self._instances.iterdir() if is_uuid(place.name))

    def snapshot(self, instance_id: str, image_id: str) -> Path:
        """The file of the copy for an image. Raises StorageError for what is no id."""
        if not is_uuid(image_id) or len(image_id) != 36:
            raise StorageError(f"{image_id!r} is not an image id", instance_id=instance_id)
        return self.folder(instance_id) / f"snapshot-{image_id}.qcow2"

    def copy_root(self, instance_id: str, target: Path) -> None:
        """Copy the root disk, its base included, to a new qcow2."""
        with _explained("a copy of the root disk", instance_id):
            target.unlink(missing_ok=True)
            qemu_img.copy(self.folder(instance_id) / ROOT_NAME, target)

    def discarded_by(self, instance_id: str) -> str:
        """The command whose `discard` was the last that ended; "" for none."""
        try:
            return (self.folder(instance_id) / DISCARDED_NAME).read_text()
        except FileNotFoundError:
            return ""

    def discard(self, instance_id: str, command_id: str, *, keep_ephemeral: bool) -> None:
        """Remove the disks, all but the ephemeral one if that is kept, and note which command asked for it."""
        folder = self.ensure_folder(instance_id)
        names = [ROOT_NAME, BASE_NAME, "swap.raw", CONFIG_DRIVE_NAME, NVRAM_NAME]
        with _explained("the disks", instance_id):
            if not keep_ephemeral:
                names += [path.name for path in folder.glob(_EPHEMERAL)]
            for disk in names:
                (folder / disk).unlink(missing_ok=True)
            with _made(folder / DISCARDED_NAME) as new:
                new.write_text(command_id)

    def keep(self, instance_id: str) -> None:
        """Copy the disks as they are to a folder beside them, if there is none. Swap is remade, logs are not disks."""
        folder = self.folder(instance_id)
        kept, new = folder / _KEPT_NAME, folder / f"{_KEPT_NAME}.new"
        if kept.exists():
            return
        with _explained("a copy of the disks", instance_id):
            shutil.rmtree(new, ignore_errors=True)
            new.mkdir(mode=0o700)
            for path in self._kept_files(folder):
                words = ["cp", "--preserve=mode,ownership", "--sparse=always", "--reflink=auto", str(path), str(new)]
                tool.run(words, timeout_s=QEMU_IMG_COPY_S)
            new.rename(kept)

    def restore_kept(self, instance_id: str) -> None:
        """Put the kept copies in the place of the disks. Done again after a kill, it goes on with what is left."""
        folder = self.folder(instance_id)
        kept = folder / _KEPT_NAME
        if not kept.exists():
            return
        with _explained("the disks", instance_id):
            (folder / _SWAP_NAME).unlink(missing_ok=True)
            for path in self._kept_files(kept):
                path.rename(folder / path.name)
            shutil.rmtree(kept)

    def discard_kept(self, instance_id: str) -> None:
        with _explained("the kept disks", instance_id):
            for name in (_KEPT_NAME, f"{_KEPT_NAME}.new"):
                shutil.rmtree(self.folder(instance_id) / name, ignore_errors=True)

    def _kept_files(self, folder: Path) -> list[Path]:
        """Disks and their notes; the root disk last, so that it is put back only when all others are."""
        passing = (_SWAP_NAME, "console.log", DISCARDED_NAME)
        files = [path for path in folder.iterdir() if path.is_file() and path.name not in passing]
        return sorted(files, key=lambda path: (path.name == ROOT_NAME, path.name))

    def remove(self, instance_id: str) -> None:
        """Remove all of the instance's files. Succeeds when there are none."""
        folder = self.folder(instance_id)
        with _explained("the server's folder", instance_id), contextlib.suppress(FileNotFoundError):
            shutil.rmtree(folder)

    def set_aside(self, instance_id: str) -> Path | None:
        """Move the folder of an instance that nobody knows to the orphans, where it stays for seven days."""
        folder = self.folder(instance_id)
        target = self._orphans / f"{self._clock.now().strftime(_TIME)}-{instance_id}"
        with _explained("the server's folder", instance_id):
            try:
                folder.rename(target)
            except FileNotFoundError:
                return None
        log.event(logger, "disks.set_aside", logging.WARNING, instance_id=instance_id, folder=str(target))
        return target

    def purge_orphans(self) -> list[str]:
        """Remove what was set aside more than seven days ago; the names removed."""
        before = self._clock.now() - timedelta(seconds=ORPHAN_DISK_KEEP_S)
        removed = []
        for place in sorted(self._orphans.iterdir()):
            stamp = place.name.partition("-")[0]
            try:
                set_aside_at = datetime.strptime(stamp, _TIME).replace(tzinfo=UTC)
            except ValueError:
                continue  # not made by `set_aside`: not ours to remove
            if set_aside_at < before:
                with _explained("what was set aside", place.name):
                    shutil.rmtree(place)
                removed.append(place.name)
                log.event(logger, "disks.purged", folder=place.name)
        return removed

    def _check_base(self, instance_id: str, note: Path, wanted: _Base) -> _Base:
        """What the note says. Raises StorageError when that is not the image that is wanted."""
        try:
            found = msgspec.json.decode(note.read_bytes(), type=_Base)
        except (FileNotFoundError, msgspec.DecodeError) as err:
            raise StorageError(
                f"server {instance_id} has a root disk but no note of its image (base.json): restore it",
                detail=str(err),
                instance_id=instance_id,
            ) from err
        if (found.sha512, found.format) != (wanted.sha512, wanted.format):
            raise StorageError(
                f"server {instance_id} has a root disk made from another image; it is left alone",
                detail=f"{found.sha512} instead of {wanted.sha512}",
                instance_id=instance_id,
            )
        return found


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


def _write_below(stage: Path, name: str, content: bytes) -> None:
    parts = PurePosixPath(name).parts
    if not parts or parts[0] == "/" or ".." in parts or "\x00" in name:
        raise StorageError(f"{name!r} is not a file name for a config drive")
    target = stage.joinpath(*parts)
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    target.write_bytes(content)


@contextlib.contextmanager
def _explained(what: str, instance_id: str) -> Iterator[None]:
    """What the system or a tool says goes to the detail; users learn what could not be done."""
    try:
        yield
    except (OSError, ToolFailed) as err:
        detail = err.detail if isinstance(err, ToolFailed) else str(err)
        raise StorageError(
            f"{what} of server {instance_id} could not be made or removed on this node; see the node's log",
            detail=detail,
            instance_id=instance_id,
        ) from err
