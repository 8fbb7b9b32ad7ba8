"""The parts of a domain's tree that its hardware decides: machine, firmware, processors, memory, tuning. Pure.

Source: libvirt's domain XML. What a plain server has is what it had before there was a choice.
"""

from __future__ import annotations

from collections.abc import Iterable
from xml.etree import ElementTree as ET

from common.hardware.wishes import cpu_text
from common.rpc.hardware_v1 import DiskBus, DiskTuning, Firmware, GuestHardware, InputBus, MachineType, VideoModel
from compute_agent.hypervisor.base import Domain, Nic
from compute_agent.hypervisor.virt_type import VirtType

_SMALL_PAGE_KIB = 4
_SPARE_PORTS = 8  # of a q35 machine: for what is attached while the guest runs
_OTHER_DEVICES = 5  # rng, balloon, controllers, video


def add(parent: ET.Element, tag: str, text: str | None = None, /, **attributes: str) -> ET.Element:
    child = ET.SubElement(parent, tag, attributes)
    child.text = text
    return child


def add_processors(root: ET.Element, domain: Domain) -> None:
    """How many there are and where they may run. shared_cpus: those that are not set apart for dedicated guests."""
    attributes = {"placement": "static"}
    if domain.shared_cpus and not any(cell.pins for cell in domain.hardware.cells):
        attributes["cpuset"] = cpu_text(domain.shared_cpus)
    add(root, "vcpu", str(domain.vcpus), **attributes)
    _add_memory_backing(root, domain.hardware)
    _add_cpu_tuning(root, domain.hardware)
    _add_memory_places(root, domain.hardware)


def _add_memory_backing(root: ET.Element, hardware: GuestHardware) -> None:
    large = hardware.page_kib > _SMALL_PAGE_KIB
    if not large and not hardware.locked_memory:
        return
    backing = add(root, "memoryBacking")
    if large:
        pages = add(backing, "hugepages")
        add(pages, "page", size=str(hardware.page_kib), unit="KiB")
    if hardware.locked_memory:
        add(backing, "locked")


def _add_cpu_tuning(root: ET.Element, hardware: GuestHardware) -> None:
    tuning = hardware.cpu_tuning
    pins = [pin for cell in hardware.cells for pin in zip(cell.cpus, cell.pins, strict=False)]
    if tuning is None and not pins:
        return
    element = add(root, "cputune")
    if tuning is not None:
        for tag, value in (("shares", tuning.shares), ("period", tuning.period_us), ("quota", tuning.quota_us)):
            if value is not None:
                add(element, tag, str(value))
    for vcpu, cpu in sorted(pins):
        add(element, "vcpupin", vcpu=str(vcpu), cpuset=str(cpu))
    if pins:  # QEMU's own threads run where the guest does, and nowhere else
        add(element, "emulatorpin", cpuset=cpu_text(cpu for _, cpu in pins))


def _add_memory_places(root: ET.Element, hardware: GuestHardware) -> None:
    if not hardware.cells:
        return
    element = add(root, "numatune")
    add(element, "memory", mode="strict", nodeset=cpu_text({cell.host_cell for cell in hardware.cells}))
    for cell in hardware.cells:
        add(element, "memnode", cellid=str(cell.id), mode="strict", nodeset=str(cell.host_cell))


def add_os(root: ET.Element, domain: Domain, virt_type: VirtType) -> None:
    hardware = domain.hardware
    element = add(root, "os")
    kind = add(element, "type", "hvm")
    if virt_type is not VirtType.TEST:  # libvirt's test driver knows neither these machines nor SMBIOS of ours
        kind.attrib.update(arch="x86_64", machine=hardware.machine_type.value)
    if hardware.firmware is Firmware.UEFI and virt_type is not VirtType.TEST:
        _add_firmware(element, domain)
    if not any(disk.boot for disk in domain.disks):
        add(element, "boot", dev="hd")
    if hardware.boot_menu:
        add(element, "bootmenu", enable="yes")
    add(element, "smbios", mode="sysinfo")


def _add_firmware(element: ET.Element, domain: Domain) -> None:
    """libvirt chooses the file by what it must be able to do; what the guest writes stays with its disks."""
    element.set("firmware", "efi")
    secure = domain.hardware.secure_boot
    wanted = add(element, "firmware")
    add(wanted, "feature", enabled="yes" if secure else "no", name="secure-boot")
    if secure:
        add(wanted, "feature", enabled="yes", name="enrolled-keys")
        add(element, "loader", secure="yes")
    if domain.nvram is not None:
        add(element, "nvram", str(domain.nvram))


def add_features(root: ET.Element, hardware: GuestHardware, virt_type: VirtType) -> None:
    element = add(root, "features")
    add(element, "acpi")
    add(element, "apic")
    if virt_type is VirtType.TEST:
        return
    if hardware.hide_hypervisor and virt_type is VirtType.KVM:
        add(add(element, "kvm"), "hidden", state="on")
    if hardware.pmu is not None:
        add(element, "pmu", state="on" if hardware.pmu else "off")
    if hardware.secure_boot:
        add(element, "smm", state="on")


def add_cpu(root: ET.Element, hardware: GuestHardware, virt_type: VirtType) -> None:
    """KVM shows the host's processor; emulated is the model with the fewest features, which is the fastest."""
    if virt_type is VirtType.TEST:
        return
    if virt_type is VirtType.KVM:
        element = add(root, "cpu", mode="host-model", check="partial")
    else:
        element = add(root, "cpu", mode="custom", match="exact", check="none")
        add(element, "model", "qemu64", fallback="allow")
    if hardware.topology is not None:
        parts = hardware.topology
        add(element, "topology", sockets=str(parts.sockets), cores=str(parts.cores), threads=str(parts.threads))
    if hardware.max_phys_addr is not None:
        width = hardware.max_phys_addr
        add(element, "maxphysaddr", mode=width.mode, **({} if width.bits is None else {"bits": str(width.bits)}))
    for feature in hardware.cpu_features:
        add(element, "feature", policy="require", name=feature)
    if hardware.hide_hypervisor and virt_type is VirtType.QEMU:
        add(element, "feature", policy="disable", name="hypervisor")
    if hardware.cells:
        numa = add(element, "numa")
        for cell in hardware.cells:
            add(
                numa, "cell", id=str(cell.id), cpus=cpu_text(cell.cpus), memory=str(cell.memory_mib), unit="MiB"
            )  # fmt: skip


def add_controllers(devices: ET.Element, domain: Domain) -> None:
    hardware = domain.hardware
    buses = {disk.bus for disk in domain.disks}
    usb = DiskBus.USB in buses or hardware.input_bus is InputBus.USB
    add(devices, "controller", type="usb", model="qemu-xhci" if usb else "none")
    if DiskBus.SCSI in buses:  # libvirt's own choice is a controller of 1995
        add(devices, "controller", type="scsi", index="0", model="virtio-scsi")
    if hardware.machine_type is MachineType.Q35:
        add(devices, "controller", type="pci", index="0", model="pcie-root")
        for _ in range(len(domain.disks) + len(domain.nics) + _OTHER_DEVICES + _SPARE_PORTS):
            add(devices, "controller", type="pci", model="pcie-root-port")


def add_disk_tuning(element: ET.Element, tuning: DiskTuning | None) -> None:
    if tuning is None:
        return
    limits = add(element, "iotune")
    for name in DiskTuning.__struct_fields__:
        if value := getattr(tuning, name):
            add(limits, name, str(value))


def add_nic_driver(element: ET.Element, nic: Nic, hardware: GuestHardware) -> None:
    attributes = {}
    if hardware.vif_queues > 1 and nic.model == "virtio":
        attributes["queues"] = str(hardware.vif_queues)
    if hardware.packed_ring and nic.model == "virtio":
        attributes["packed"] = "on"
    if attributes:
        add(element, "driver", **attributes)


def add_video(devices: ET.Element, hardware: GuestHardware) -> None:
    model = add(add(devices, "video"), "model", type=hardware.video.value)
    if hardware.video_ram_mib and hardware.video not in (VideoModel.VIRTIO, VideoModel.NONE):
        model.set("vram", str(hardware.video_ram_mib * 1024))


def add_small_devices(devices: ET.Element, hardware: GuestHardware) -> None:
    """Randomness, watchdog, pointer."""
    if hardware.rng:
        rng = add(devices, "rng", model="virtio")
        if hardware.rng_bytes:
            add(rng, "rate", bytes=str(hardware.rng_bytes), period=str(hardware.rng_period_ms))
        add(rng, "backend", "/dev/urandom", model="random")
    if hardware.watchdog is not None:
        add(devices, "watchdog", model="i6300esb", action=hardware.watchdog.value)
    if hardware.input_bus is not None:
        for kind in ("tablet", "keyboard"):
            add(devices, "input", type=kind, bus=hardware.input_bus.value)


def serial_ports(hardware: GuestHardware) -> Iterable[str]:
    """The numbers of those beside the first, which is the console."""
    return [str(port) for port in range(1, hardware.serial_ports)]
