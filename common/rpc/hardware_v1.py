"""A guest's hardware as compute_v1.InstanceSpec carries it: what flavor and image asked for, decided and typed.

Every field has a default, which is what a server has whose flavor and image ask for nothing. Where a server may have
choices (a page size, a place on the node's NUMA cells), the control plane has chosen; the agent only realises.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class MachineType(StrEnum):
    PC = "pc"
    Q35 = "q35"


class Firmware(StrEnum):
    BIOS = "bios"
    UEFI = "uefi"


class DiskBus(StrEnum):
    VIRTIO = "virtio"
    SCSI = "scsi"
    SATA = "sata"
    IDE = "ide"
    USB = "usb"


class VifModel(StrEnum):
    VIRTIO = "virtio"
    E1000 = "e1000"
    E1000E = "e1000e"
    RTL8139 = "rtl8139"
    NE2K_PCI = "ne2k_pci"
    PCNET = "pcnet"


class VideoModel(StrEnum):
    VGA = "vga"
    CIRRUS = "cirrus"
    VMVGA = "vmvga"
    QXL = "qxl"
    VIRTIO = "virtio"
    BOCHS = "bochs"
    NONE = "none"


class WatchdogAction(StrEnum):
    """What becomes of a guest that has started its watchdog and lets it run out."""

    NONE = "none"
    PAUSE = "pause"
    POWEROFF = "poweroff"
    RESET = "reset"


class InputBus(StrEnum):
    USB = "usb"
    VIRTIO = "virtio"


class CpuTopology(msgspec.Struct, frozen=True, kw_only=True):
    """sockets * cores * threads is the number of vCPUs."""

    sockets: int
    cores: int
    threads: int


class CpuTuning(msgspec.Struct, frozen=True, kw_only=True):
    """The scheduler's values for the guest's processors; None: the host's defaults. Times in microseconds."""

    shares: int | None = None
    period_us: int | None = None
    quota_us: int | None = None


class DiskTuning(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of each disk, in bytes and requests per second; 0: none. *_max: for short bursts."""

    read_bytes_sec: int = 0
    write_bytes_sec: int = 0
    total_bytes_sec: int = 0
    read_iops_sec: int = 0
    write_iops_sec: int = 0
    total_iops_sec: int = 0
    read_bytes_sec_max: int = 0
    write_bytes_sec_max: int = 0
    total_bytes_sec_max: int = 0
    read_iops_sec_max: int = 0
    write_iops_sec_max: int = 0
    total_iops_sec_max: int = 0


class MaxPhysAddr(msgspec.Struct, frozen=True, kw_only=True):
    """How wide the guest's physical addresses are; mode "passthrough": as the host's, "emulate": `bits`."""

    mode: str
    bits: int | None = None


class GuestCell(msgspec.Struct, frozen=True, kw_only=True):
    """A NUMA cell of the guest and where it is on the node.

    cpus: the guest's vCPUs in it. host_cell: the node's cell that its memory comes from. pins: for each of `cpus`, in
    the same order, the one host CPU that it runs on; [] where any of the cell's shared ones will do.
    """

    id: int
    cpus: list[int]
    memory_mib: int
    host_cell: int
    pins: list[int] = []


class GuestHardware(msgspec.Struct, frozen=True, kw_only=True):
    """page_kib: the size of the pages that its memory is made of; 0: the host's ordinary ones, 4: those of `cells`.

    vif_queues: pairs of queues of each network card. cdrom_bus: None: a config drive is one more disk. rng_bytes in
    rng_period_ms is the most that the random number generator gives; 0: no limit. video_ram_mib: 0: the model's own.
    cpu_features: the processor's, by libvirt's names, that the guest must see.
    """

    machine_type: MachineType = MachineType.PC
    firmware: Firmware = Firmware.BIOS
    secure_boot: bool = False
    boot_menu: bool = False
    topology: CpuTopology | None = None
    cells: list[GuestCell] = []
    page_kib: int = 0
    cpu_tuning: CpuTuning | None = None
    disk_tuning: DiskTuning | None = None
    disk_bus: DiskBus = DiskBus.VIRTIO
    cdrom_bus: DiskBus | None = None
    vif_model: VifModel = VifModel.VIRTIO
    vif_queues: int = 1
    rng: bool = True
    rng_bytes: int = 0
    rng_period_ms: int = 0
    watchdog: WatchdogAction | None = None
    video: VideoModel = VideoModel.VGA
    video_ram_mib: int = 0
    input_bus: InputBus | None = None
    serial_ports: int = 1
    hide_hypervisor: bool = False
    pmu: bool | None = None
    max_phys_addr: MaxPhysAddr | None = None
    cpu_features: list[str] = []
    guest_agent: bool = False
    packed_ring: bool = False
    locked_memory: bool = False
