"""Chooses the hypervisor driver that the configuration asks for, or that the machine can do."""

from __future__ import annotations

import os
from pathlib import Path

from common.clock import Clock
from common.config import AgentConfig
from common.errors import ConfigError
from compute_agent.hypervisor.base import Hypervisor
from compute_agent.hypervisor.fake import FakeHypervisor
from compute_agent.hypervisor.none import NoHypervisor
from compute_agent.storage import disks

DRIVERS = ("auto", "kvm", "qemu", "fake", "test", "none")
_MIN_POOL = 8


def make_hypervisor(config: AgentConfig, *, cloud_uuid: str, clock: Clock) -> Hypervisor:
    """The driver of this node. Raises ConfigError for an unknown one, or for kvm on a machine that can't do it."""
    driver = choose_driver(config.driver)
    if driver == "fake":
        folder = Path(config.state_dir) / "fake"
        return FakeHypervisor(
            folder, cloud_uuid=cloud_uuid, clock=clock, boot_ms=config.fake_boot_ms, vcpus=config.vcpus
        )
    if driver == "none":
        return NoHypervisor()
    # Here, so that a node with driver fake or none needs no libvirt.
    from compute_agent.hypervisor.domain_xml import Backing
    from compute_agent.hypervisor.libvirt_driver import LibvirtHypervisor
    from compute_agent.hypervisor.virt_type import VirtType

    def backing_of(path: Path) -> Backing | None:
        base = disks.recorded_base(path)
        return Backing(base.path, base.format) if base else None

    uri = "test:///default" if driver == "test" else config.libvirt_uri
    pool_size = max(_MIN_POOL, 2 * config.workers)
    return LibvirtHypervisor(uri, VirtType(driver), cloud_uuid=cloud_uuid, backing_of=backing_of, pool_size=pool_size)


def choose_driver(wanted: str, *, kvm_device: str = "/dev/kvm", cpu_info: str = "/proc/cpuinfo") -> str:
    """Resolve `auto` to kvm or qemu. Raises ConfigError with what is missing."""
    if wanted not in DRIVERS:
        raise ConfigError(f"[agent] driver: {wanted!r} is not known; known are {', '.join(DRIVERS)}")
    if wanted not in ("auto", "kvm"):
        return wanted
    missing = _kvm_missing(kvm_device, cpu_info)
    if missing and wanted == "kvm":
        raise ConfigError(f"[agent] driver is kvm, but {missing}; set it to qemu or auto")
    return "qemu" if missing else "kvm"


def _kvm_missing(kvm_device: str, cpu_info: str) -> str:
    """What KVM lacks here, "" when nothing: a device that opens proves little where the CPU can't virtualise."""
    try:
        os.close(os.open(kvm_device, os.O_RDWR))
    except OSError as err:
        return f"{kvm_device} does not open ({err.strerror})"
    flags = {
        flag
        for line in Path(cpu_info).read_text().splitlines()
        if line.startswith("flags")
        for flag in line.partition(":")[2].split()
    }
    return "" if flags & {"vmx", "svm"} else "the CPU has neither vmx nor svm"
