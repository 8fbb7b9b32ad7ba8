"""From an instance's spec, its disks and its NICs to the domain as the hypervisor shall have it.

Made afresh for every start, from what the control plane sent, never from what the node's hypervisor has stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from common.rpc.compute_v1 import InstanceSpec
from common.rpc.hardware_v1 import Firmware
from common.rpc.volume_commands import VolumeDisk
from compute_agent import guest_hardware
from compute_agent.hypervisor.base import Disk, Domain, Nic
from compute_agent.storage.disks import NVRAM_NAME
from compute_agent.storage.rbd_image import RbdImage
from compute_agent.volumes.base import VolumeStores

SERIAL_CHARS = 20  # what virtio-blk has room for


def build(
    spec: InstanceSpec, pair: tuple[int, int], *, disks: Sequence[Disk], nics: Sequence[Nic], cloud_uuid: str,
    console_log: Path, shared_cpus: frozenset[int] = frozenset(),
) -> Domain:  # fmt: skip
    """Raises ImageRefused for an image property whose value no domain can have."""
    hardware = guest_hardware.of(spec)
    epoch, generation = pair
    return Domain(
        instance_id=spec.id,
        epoch=epoch,
        generation=generation,
        cloud_uuid=cloud_uuid,
        vcpus=spec.vcpus,
        memory_mib=spec.memory_mib,
        disks=tuple(disks),
        nics=tuple(card(spec, nic) for nic in nics),
        console_log=console_log,
        guest_agent=hardware.guest_agent,
        evacuable=spec.evacuable,
        hardware=hardware,
        nvram=console_log.with_name(NVRAM_NAME) if hardware.firmware is Firmware.UEFI else None,
        shared_cpus=shared_cpus,
    )


def card(spec: InstanceSpec, nic: Nic) -> Nic:
    """The card as this instance's image and flavor want it. Raises ImageRefused."""
    return replace(nic, model=guest_hardware.of(spec).vif_model.value)


def volume_disk(volume: VolumeDisk, stores: VolumeStores, *, boot: bool = False) -> Disk:
    """A volume as a disk: its serial is as much of its id as a virtio disk can bear. Raises StorageError."""
    disk = Disk(
        Path(), "raw", volume.device, volume.bus, read_only=volume.read_only or volume.is_cdrom,
        serial=volume.id[:SERIAL_CHARS], is_cdrom=volume.is_cdrom, boot=boot, shareable=volume.shareable,
        tuning=volume.tuning,
    )  # fmt: skip
    if volume.export is not None:
        socket = stores.folder.served.connect(volume.export, read_only=volume.read_only)
        return replace(disk, path=socket, export=volume.export.id)
    found = stores.of(volume.backend).file(volume.id, volume.disk_format)
    if isinstance(found, RbdImage):
        return replace(disk, path=found.pool.conf_file, rbd=found)
    return replace(disk, path=found.path, format=found.format)
