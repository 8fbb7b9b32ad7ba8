"""What flavors and images may ask of a guest's hardware: read, typed, and refused in words that name spec or property."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import InvalidRequest
from common.hardware import reading
from common.hardware.cpu import ThreadPolicy
from common.hardware.numa import Pages, WantedCell
from common.hardware.reading import SECURE_BOOT_TRAIT, UEFI_TRAIT, Hardware
from common.hardware.wishes import cpu_set, cpu_text
from common.rpc.hardware_v1 import (
    CpuTopology,
    CpuTuning,
    DiskBus,
    DiskTuning,
    Firmware,
    GuestHardware,
    InputBus,
    MachineType,
    MaxPhysAddr,
    VideoModel,
    VifModel,
    WatchdogAction,
)

Q35_UEFI = {"hw_firmware_type": "uefi", "hw_machine_type": "q35"}


def read(specs: dict[str, str], properties: dict[str, str], vcpus: int = 4, memory_mib: int = 1024) -> Hardware:
    return reading.of(specs, properties, vcpus, memory_mib)


def test_who_asks_for_nothing_gets_the_defaults() -> None:
    assert read({"capabilities:x": "1"}, {"os_distro": "debian"}) is reading.PLAIN
    assert reading.PLAIN.guest == GuestHardware()


@pytest.mark.parametrize(
    ("specs", "properties", "wanted"),
    [
        ({}, {"hw_machine_type": "q35"}, {"machine_type": MachineType.Q35}),
        ({}, {"hw_machine_type": "pc-q35-7.2"}, {"machine_type": MachineType.Q35}),
        ({}, {"hw_machine_type": "pc-i440fx-6.0"}, {"machine_type": MachineType.PC}),
        ({}, {"hw_firmware_type": "uefi"}, {"firmware": Firmware.UEFI}),
        ({"os:secure_boot": "required"}, Q35_UEFI,
         {"firmware": Firmware.UEFI, "machine_type": MachineType.Q35, "secure_boot": True}),
        ({"os:secure_boot": "optional"}, {}, {"secure_boot": False}),
        ({"hw:cpu_sockets": "2"}, {}, {"topology": CpuTopology(sockets=2, cores=2, threads=1)}),
        ({"hw:cpu_cores": "2", "hw:cpu_threads": "2"}, {}, {"topology": CpuTopology(sockets=1, cores=2, threads=2)}),
        ({"hw:cpu_max_sockets": "1"}, {}, {"topology": CpuTopology(sockets=1, cores=4, threads=1)}),
        ({"hw:cpu_max_sockets": "2"}, {"hw_cpu_max_threads": "1", "hw_cpu_cores": "4"},
         {"topology": CpuTopology(sockets=1, cores=4, threads=1)}),
        ({}, {"hw_disk_bus": "scsi"}, {"disk_bus": DiskBus.SCSI}),
        ({}, {"hw_cdrom_bus": "sata"}, {"cdrom_bus": DiskBus.SATA}),
        ({}, {"hw_vif_model": "e1000e"}, {"vif_model": VifModel.E1000E}),
        ({"hw:vif_multiqueue_enabled": "yes"}, {}, {"vif_queues": 4}),
        ({"hw:vif_multiqueue_enabled": "true"}, {"hw_vif_model": "rtl8139"},
         {"vif_queues": 1, "vif_model": VifModel.RTL8139}),
        ({"hw_rng:allowed": "false"}, {"hw_rng_model": "virtio"}, {"rng": False}),
        ({"hw_rng:rate_bytes": "64"}, {}, {"rng_bytes": 64, "rng_period_ms": 1000}),
        ({"hw:watchdog_action": "reset"}, {"hw_watchdog_action": "pause"}, {"watchdog": WatchdogAction.PAUSE}),
        ({"hw:watchdog_action": "disabled"}, {}, {"watchdog": None}),
        ({}, {"hw_video_model": "virtio"}, {"video": VideoModel.VIRTIO}),
        ({"hw_video:ram_max_mb": "64"}, {"hw_video_ram": "32"}, {"video_ram_mib": 32}),
        ({}, {"hw_input_bus": "virtio"}, {"input_bus": InputBus.VIRTIO}),
        ({}, {"hw_pointer_model": "usbtablet"}, {"input_bus": InputBus.USB}),
        ({"hw:serial_port_count": "3"}, {"hw_serial_port_count": "2"}, {"serial_ports": 2}),
        ({}, {"img_hide_hypervisor_id": "true"}, {"hide_hypervisor": True}),
        ({"hw:pmu": "off"}, {"hw_pmu": "false"}, {"pmu": False}),
        ({"hw:maxphysaddr_mode": "emulate", "hw:maxphysaddr_bits": "42"}, {},
         {"max_phys_addr": MaxPhysAddr(mode="emulate", bits=42)}),
        ({"quota:cpu_shares": "512", "quota:cpu_period": "20000", "quota:cpu_quota": "10000"}, {},
         {"cpu_tuning": CpuTuning(shares=512, period_us=20000, quota_us=10000)}),
        ({"quota:cpu_quota": "-5"}, {}, {"cpu_tuning": CpuTuning(quota_us=-1)}),
        ({"quota:disk_read_bytes_sec": "1048576", "quota:disk_total_iops_sec": "100"}, {},
         {"disk_tuning": DiskTuning(read_bytes_sec=1048576, total_iops_sec=100)}),
        ({}, {"hw_qemu_guest_agent": "yes"}, {"guest_agent": True}),
        ({"hw:mem_encryption": "false"}, {}, {}),
        ({"quota:cpu_shares_level": "high", "resources:VCPU": "0"}, {}, {}),
    ],
)  # fmt: skip
def test_what_is_asked_for_is_what_the_guest_gets(
    specs: dict[str, str], properties: dict[str, str], wanted: dict[str, Any]
) -> None:
    assert read(specs, properties).guest == GuestHardware(**wanted)


@pytest.mark.parametrize(
    ("specs", "properties", "said"),
    [
        ({}, {"hw_machine_type": "isapc"}, "hw_machine_type can't be 'isapc': one of pc, q35"),
        ({}, {"hw_machine_type": "q35", "hw_disk_bus": "ide"}, "hw_disk_bus can't be ide"),
        ({}, {"hw_disk_bus": "tape"}, "hw_disk_bus can't be 'tape'"),
        ({}, {"hw_cdrom_bus": "virtio"}, "hw_cdrom_bus can't be virtio"),
        ({}, {"hw_vif_model": "telegraph"}, "hw_vif_model can't be 'telegraph'"),
        ({"os:secure_boot": "required"}, {}, "Secure boot needs UEFI and the machine type q35"),
        ({"os:secure_boot": "required"}, {**Q35_UEFI, "os_secure_boot": "disabled"}, "Flavor and image disagree"),
        ({"hw:cpu_max_sockets": "1"}, {"hw_cpu_sockets": "2"}, "hw_cpu_sockets is 2, but at most 1"),
        ({"hw:cpu_max_cores": "2"}, {"hw_cpu_max_cores": "4"}, "hw_cpu_max_cores is 4, but the flavor allows at most 2"),
        ({"hw:cpu_max_cores": "1", "hw:cpu_max_sockets": "1", "hw:cpu_max_threads": "2"}, {}, "can't be divided"),
        ({"hw:cpu_policy": "mixed"}, {}, "mixed is not supported"),
        ({"hw:cpu_policy": "shared"}, {"hw_cpu_policy": "dedicated"}, "Flavor and image disagree"),
        ({"hw:cpu_thread_policy": "isolate"}, {}, "needs the CPU policy dedicated"),
        ({"hw:cpu_policy": "dedicated", "hw:cpu_thread_policy": "isolate"}, {"hw_cpu_thread_policy": "require"},
         "disagree"),
        ({"hw:numa_nodes": "3"}, {}, "can't be divided equally into 3"),
        ({"hw:numa_nodes": "2"}, {"hw_numa_nodes": "2"}, "not allowed beside"),
        ({"hw:numa_nodes": "0"}, {}, "hw:numa_nodes must be a whole number, 1 or more"),
        ({"hw:numa_nodes": "2", "hw:numa_cpus.0": "0-1"}, {}, "needed for each NUMA cell"),
        ({"hw:numa_nodes": "2", "hw:numa_cpus.0": "0-1", "hw:numa_cpus.1": "1-3", "hw:numa_mem.0": "512",
          "hw:numa_mem.1": "512"}, {}, "in two NUMA cells"),
        ({"hw:numa_nodes": "1", "hw:numa_cpus.0": "0-4", "hw:numa_mem.0": "1024"}, {}, "CPUs 0 to 3"),
        ({"hw:numa_nodes": "1", "hw:numa_cpus.0": "0-3", "hw:numa_mem.0": "1000"}, {}, "must be the flavor's, 1024 MiB"),
        ({"hw:numa_nodes": "1", "hw:numa_cpus.1": "0-3"}, {}, "NUMA cell 1 is described"),
        ({"hw:numa_nodes": "1", "hw:numa_cpus.0": "3-0", "hw:numa_mem.0": "1024"}, {}, "can't be"),
        ({"hw:mem_page_size": "huge"}, {}, "hw:mem_page_size must be small, large, any or a size"),
        ({}, {"hw_mem_page_size": "large"}, "not allowed by its flavor"),
        ({"hw:mem_page_size": "1GB"}, {}, None),
        ({"hw:mem_page_size": "3MB"}, {}, "multiple of the page size"),
        ({"hw_video:ram_max_mb": "16"}, {"hw_video_ram": "32"}, "the flavor allows 16"),
        ({}, {"hw_video_ram": "32"}, "the flavor allows 0"),
        ({"hw:serial_port_count": "1"}, {"hw_serial_port_count": "2"}, "the flavor allows 1"),
        ({"hw:serial_port_count": "5"}, {}, "at most 4"),
        ({"hw:pmu": "true"}, {"hw_pmu": "false"}, "disagree"),
        ({"hw:pmu": "perhaps"}, {}, "hw:pmu must be a boolean"),
        ({"hw:maxphysaddr_mode": "emulate"}, {}, "hw:maxphysaddr_bits is needed"),
        ({"hw:maxphysaddr_bits": "42"}, {}, "needs hw:maxphysaddr_mode"),
        ({"quota:cpu_shares": "1"}, {}, "quota:cpu_shares must be from 2 to 262144"),
        ({"quota:disk_total_bytes_sec": "1", "quota:disk_read_bytes_sec": "1"}, {}, "can't be set together"),
        ({"quota:disk_read_iops_sec_max": "10"}, {}, "needs quota:disk_read_iops_sec below it"),
        ({"quota:vif_inbound_average": "10"}, {}, "QoS policy"),
        ({"hw:tpm_version": "2.0"}, {}, "no node has a virtual TPM"),
        ({}, {"hw_tpm_model": "tpm-crb"}, "no node has a virtual TPM"),
        ({"hw:mem_encryption": "true"}, {}, "encrypt its guests' memory"),
        ({}, {"hw_mem_encryption": "yes"}, "encrypt its guests' memory"),
        ({"hw:viommu_model": "auto"}, {}, "IOMMU"),
        ({"hw:cpu_realtime": "yes"}, {}, "real time"),
        ({"hw:emulator_threads_policy": "isolate"}, {}, "can only be share"),
        ({"pci_passthrough:alias": "gpu:1"}, {}, "no PCI device"),
        ({"resources:CUSTOM_GPU": "1"}, {}, "no other resources"),
        ({"trait:HW_CPU_X86_AVX": "perhaps"}, {}, "must be required or forbidden"),
        ({"trait:HW_CPU_X86_AVX": "required"}, {"trait:HW_CPU_X86_AVX": "forbidden"}, "both required and forbidden"),
        ({"hw:locked_memory": "true"}, {}, "needs hw:mem_page_size"),
        ({}, {"os_shutdown_timeout": "soon"}, "os_shutdown_timeout must be a whole number"),
        ({}, {"os_shutdown_timeout": "151"}, "at most 150 seconds"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_words(
    specs: dict[str, str], properties: dict[str, str], said: str | None
) -> None:
    if said is None:
        read(specs, properties)
        return
    with pytest.raises(InvalidRequest) as caught:
        read(specs, properties)
    assert said in caught.value.message


def test_an_image_says_how_long_its_guest_may_take_to_switch_itself_off() -> None:
    assert [read({}, properties).stop_s for properties in ({}, {"os_shutdown_timeout": "0"})] == [60, 0]


def test_numa_cells_are_equal_unless_they_are_described() -> None:
    equal = read({"hw:numa_nodes": "2"}, {}).numa
    assert equal is not None
    assert equal.cells == (WantedCell((0, 1), 512), WantedCell((2, 3), 512))
    described = read(
        {"hw:numa_nodes": "2", "hw:numa_cpus.0": "0,^1,2-3", "hw:numa_mem.0": "1000", "hw:numa_cpus.1": "1",
         "hw:numa_mem.1": "24"}, {},
    ).numa  # fmt: skip
    assert described is not None
    assert described.cells == (WantedCell((0, 2, 3), 1000), WantedCell((1,), 24))


@pytest.mark.parametrize(
    ("said", "asked", "pages", "page_kib"),
    [
        ("2MB", None, Pages.SIZE, 2048), ("2048", None, Pages.SIZE, 2048), ("1GiB", None, Pages.SIZE, 1048576),
        ("small", None, Pages.SMALL, 0), ("4kB", None, Pages.SMALL, 0), ("large", "2MB", Pages.SIZE, 2048),
        ("any", "large", Pages.LARGE, 0),
    ],
)  # fmt: skip
def test_page_sizes(said: str, asked: str | None, pages: Pages, page_kib: int) -> None:
    numa = read({"hw:mem_page_size": said}, {"hw_mem_page_size": asked} if asked else {}).numa
    assert numa is not None
    assert (numa.pages, numa.page_kib, numa.dedicated) == (pages, page_kib, False)


def test_dedicated_cpus_are_one_cell_unless_more_are_asked_for() -> None:
    numa = read({"hw:cpu_policy": "dedicated"}, {"hw_cpu_thread_policy": "require"}).numa
    assert numa is not None
    assert (numa.dedicated, numa.threads, len(numa.cells)) == (True, ThreadPolicy.REQUIRE, 1)


def test_traits_come_from_both_and_from_what_is_asked_for() -> None:
    found = read(
        {"trait:HW_CPU_X86_AVX": "required", "trait1:CUSTOM_A": "forbidden"},
        {"trait:CUSTOM_B": "required", "os_secure_boot": "required", **Q35_UEFI},
    ).traits
    assert found.required == {"HW_CPU_X86_AVX", "CUSTOM_B", UEFI_TRAIT, SECURE_BOOT_TRAIT}
    assert found.forbidden == {"CUSTOM_A"}


@given(st.sets(st.integers(0, 200)))
def test_a_list_of_cpus_is_read_as_it_was_written(cpus: set[int]) -> None:
    assert not cpus or cpu_set("x", cpu_text(cpus)) == cpus
