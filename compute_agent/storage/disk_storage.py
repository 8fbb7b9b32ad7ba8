"""An instance's disks as a whole: root overlay, ephemeral, swap and config drive, in the order the guest sees them."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from string import ascii_lowercase

from common.errors import StorageError
from common.rpc.command_base import ImageSpec
from common.rpc.compute_v1 import InstanceSpec
from common.rpc.disks_v1 import RescueSpec
from common.rpc.hardware_v1 import DiskBus, GuestHardware
from common.rpc.queries_v1 import CachedImageEntry
from compute_agent import guest_hardware
from compute_agent.hypervisor.base import Disk
from compute_agent.metadata import documents
from compute_agent.storage.base import Measure
from compute_agent.storage.disks import (
    CONFIG_DRIVE_NAME,
    RESCUE_DRIVE_NAME,
    RESCUE_NAME,
    ROOT_NAME,
    DiskFile,
    InstanceDisks,
    ephemeral_name,
)
from compute_agent.storage.image_cache import ImageCache
from compute_agent.storage.prefetch import Prefetch
from compute_agent.storage.uploader import Uploader

_DEVICE_LETTERS = {
    DiskBus.VIRTIO: "vd", DiskBus.IDE: "hd", DiskBus.SATA: "sd", DiskBus.SCSI: "sd", DiskBus.USB: "sd",
}  # fmt: skip
_SEED_BYTES = 512


@dataclass(frozen=True)
class _Rescue:
    file: DiskFile
    spec: RescueSpec


class DiskStorage:
    """Implements base.Storage. `domain` is what guests' DNS names end in, for the config drive."""

    def __init__(
        self, disks: InstanceDisks, cache: ImageCache, uploader: Uploader, *, prefetch: Prefetch, domain: str
    ) -> None:
        self._disks = disks
        self._cache = cache
        self._uploader = uploader
        self._domain = domain
        self._prefetch = prefetch

    def ensure(self, spec: InstanceSpec, measure: Measure, *, admin_password: str = "") -> tuple[Disk, ...]:
        hardware = guest_hardware.of(spec)
        files: list[DiskFile] = []
        with ExitStack() as held:
            with measure("image"):
                hold = self._cache.hold(spec.image, self._disks.images_in_use) if spec.image else None
                base = held.enter_context(hold) if hold else None
            with measure("disks"):
                self._disks.ensure_folder(spec.id)
                if base is not None:
                    files.append(self._disks.ensure_root(spec.id, base, spec.root_gib))
                for number, size_gib in enumerate(_ephemeral(spec)):
                    files.append(self._disks.ensure_ephemeral(spec.id, size_gib, number))
                if spec.swap_mib:
                    files.append(self._disks.ensure_swap(spec.id, spec.swap_mib))
                rescue = self._ensure_rescue(spec, measure)
                drive = self._config_drive(spec, admin_password) if spec.config_drive else None
        return as_disks(files, drive, hardware, rescue, _of_volumes(spec))

    def disks(self, spec: InstanceSpec) -> tuple[Disk, ...]:
        folder = self._disks.folder(spec.id)
        files = [] if spec.image is None else [DiskFile(folder / ROOT_NAME, "qcow2")]
        files += [DiskFile(folder / ephemeral_name(number), "raw") for number in range(len(_ephemeral(spec)))]
        if spec.swap_mib:
            files.append(DiskFile(folder / "swap.raw", "raw"))
        rescue_drive = folder / RESCUE_DRIVE_NAME  # not there if an agent before this version rescued it
        drive_path = rescue_drive if spec.rescue and rescue_drive.exists() else folder / CONFIG_DRIVE_NAME
        drive = DiskFile(drive_path, "raw") if spec.config_drive else None
        rescue = _Rescue(DiskFile(folder / RESCUE_NAME, "qcow2"), spec.rescue) if spec.rescue else None
        every = (*files, drive, rescue.file if rescue else None)
        missing = [file.path.name for file in every if file is not None and not file.path.exists()]
        if missing:
            raise StorageError(
                f"disks of server {spec.id} are not on this node: {', '.join(missing)}", instance_id=spec.id
            )
        return as_disks(files, drive, guest_hardware.of(spec), rescue, _of_volumes(spec))

    def fetch(self, spec: InstanceSpec) -> None:
        if spec.image is None:
            return
        with self._cache.hold(spec.image, self._disks.images_in_use):
            return

    def discarded_by(self, instance_id: str) -> str:
        return self._disks.discarded_by(instance_id)

    def discard(self, instance_id: str, command_id: str, *, keep_ephemeral: bool) -> None:
        self._disks.discard(instance_id, command_id, keep_ephemeral=keep_ephemeral)

    def keep(self, instance_id: str) -> None:
        self._disks.keep(instance_id)

    def restore_kept(self, instance_id: str) -> None:
        self._disks.restore_kept(instance_id)

    def discard_kept(self, instance_id: str) -> None:
        self._disks.discard_kept(instance_id)

    def snapshot(self, instance_id: str, image_id: str) -> Path:
        return self._disks.snapshot(instance_id, image_id)

    def copy_root(self, spec: InstanceSpec, target: Path) -> None:
        self._disks.copy_root(spec.id, target)

    def upload(self, url: str, path: Path, checkpoint: Callable[[], None]) -> None:
        self._uploader.put(url, path, checkpoint)

    def exists(self, instance_id: str) -> bool:
        return self._disks.folder(instance_id).exists()

    def remove(self, instance_id: str) -> None:
        self._disks.remove(instance_id)

    def set_aside(self, instance_id: str) -> None:
        self._disks.set_aside(instance_id)

    def console_log(self, instance_id: str) -> Path:
        return self._disks.folder(instance_id) / "console.log"

    def want_image(self, image: ImageSpec) -> None:
        self._prefetch.want(image)

    def images(self) -> list[CachedImageEntry]:
        return self._prefetch.entries()

    def drop_images(self, sha512s: Collection[str] | None, *, cached: bool, queued: bool) -> None:
        self._prefetch.drop(sha512s, cached=cached, queued=queued)

    def fetch_wanted(self, stop: threading.Event) -> None:
        self._prefetch.run(stop)

    def upkeep(self) -> None:
        self._disks.purge_orphans()
        self._cache.drop_unused(self._disks.images_in_use)

    def _ensure_rescue(self, spec: InstanceSpec, measure: Measure) -> _Rescue | None:
        """None for an instance that is not rescued, or not any more: what it was rescued with goes."""
        if spec.rescue is None:
            self._disks.remove_rescue(spec.id)
            return None
        with measure("image"), self._cache.hold(spec.rescue.image, self._disks.images_in_use) as base:
            return _Rescue(self._disks.ensure_rescue(spec.id, base), spec.rescue)

    def _config_drive(self, spec: InstanceSpec, admin_password: str) -> DiskFile:
        seed = secrets.token_bytes(_SEED_BYTES)
        facts = documents.facts_of(spec, domain=self._domain, random_seed=seed, admin_password=admin_password)
        name = RESCUE_DRIVE_NAME if spec.rescue else CONFIG_DRIVE_NAME
        return self._disks.ensure_config_drive(spec.id, documents.config_drive_files(facts), name)


def _ephemeral(spec: InstanceSpec) -> list[int]:
    """The sizes of the ephemeral disks in GiB."""
    return spec.ephemeral_parts_gib or ([spec.ephemeral_gib] if spec.ephemeral_gib else [])


def _names(bus: DiskBus) -> Iterator[str]:
    prefix = _DEVICE_LETTERS[bus]
    yield from (prefix + letter for letter in ascii_lowercase)
    yield from (prefix + first + second for first in ascii_lowercase for second in ascii_lowercase)


def _of_volumes(spec: InstanceSpec) -> frozenset[str]:
    return frozenset(each.device for each in spec.volumes)


def as_disks(
    files: Sequence[DiskFile], drive: DiskFile | None, hardware: GuestHardware, rescue: _Rescue | None = None,
    taken: frozenset[str] = frozenset(),
) -> tuple[Disk, ...]:  # fmt: skip
    """A config drive is one more disk, unless the image wants it as a drive. Named as the guest sees them, by bus.

    taken: names of volumes, which are the same for as long as they are attached: "vda" is one that the guest boots from.
    """
    places = [(file, hardware.disk_bus, False) for file in files]
    if drive is not None:
        places.append((drive, hardware.cdrom_bus or hardware.disk_bus, hardware.cdrom_bus is not None))
    if rescue is not None:
        bus = DiskBus(rescue.spec.bus) if rescue.spec.bus else hardware.disk_bus
        place = (rescue.file, bus, rescue.spec.kind == "cdrom")
        places = [place, *places] if rescue.spec.first else [*places, place]
    found: list[Disk] = []
    for file, bus, is_cdrom in places:
        used = taken | {disk.device for disk in found}
        device = next(name for name in _names(bus) if name not in used)
        rescues = rescue is not None and file is rescue.file
        found.append(
            Disk(
                file.path, file.format, device, bus.value, read_only=file is drive or (rescues and is_cdrom),
                is_cdrom=is_cdrom, boot=rescues,
            )
        )  # fmt: skip
    return tuple(found)
