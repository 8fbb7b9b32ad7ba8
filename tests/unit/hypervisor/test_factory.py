"""Which driver a node gets, and which cache mode its disks."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.clock import SystemClock
from common.config import AgentConfig
from common.errors import ConfigError, HypervisorError
from compute_agent.hypervisor.base import Domain
from compute_agent.hypervisor.factory import choose_driver, make_hypervisor
from compute_agent.hypervisor.fake import FakeHypervisor
from compute_agent.inventory import InventoryReader


def machine(folder: Path, flags: str, device: bool = True) -> dict[str, str]:
    (folder / "cpuinfo").write_text(f"processor\t: 0\nflags\t\t: fpu {flags} sse\n")
    if device:
        (folder / "kvm").touch()
    return {"kvm_device": str(folder / "kvm"), "cpu_info": str(folder / "cpuinfo")}


@pytest.mark.parametrize(
    ("flags", "device", "driver"),
    [
        ("vmx", True, "kvm"),
        ("svm", True, "kvm"),
        ("vmx", False, "qemu"),
        ("ssse3 svm_lock", True, "qemu"),
        ("", True, "qemu"),
    ],
)
def test_auto_takes_kvm_only_where_it_works(tmp_path: Path, flags: str, device: bool, driver: str) -> None:
    assert choose_driver("auto", **machine(tmp_path, flags, device)) == driver


def test_kvm_by_name_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="vmx"):
        choose_driver("kvm", **machine(tmp_path, ""))
    with pytest.raises(ConfigError, match="does not open"):
        choose_driver("kvm", **machine(tmp_path / "..", "vmx", device=False) | {"kvm_device": str(tmp_path / "none")})


def test_unknown_drivers_are_refused() -> None:
    with pytest.raises(ConfigError, match="known are"):
        choose_driver("xen")


def test_the_fake_is_made_from_configuration(tmp_path: Path) -> None:
    config = AgentConfig(driver="fake", state_dir=str(tmp_path), vcpus=8)
    made = make_hypervisor(config, cloud_uuid="c", clock=SystemClock())
    assert isinstance(made, FakeHypervisor)
    assert made.facts().vcpus == 8


def test_a_node_without_hypervisor_offers_nothing_and_takes_nothing(tmp_path: Path) -> None:
    config = AgentConfig(driver="none", state_dir=str(tmp_path), vcpus=8, memory_mib=100)
    made = make_hypervisor(config, cloud_uuid="c", clock=SystemClock())
    offered = InventoryReader(config, made, SystemClock()).read()
    assert (offered.vcpus, offered.memory_mib, offered.disk_gib) == (0, 0, 0)
    assert (made.list_domains(), made.state("i"), made.healthy()) == ([], None, True)
    made.ensure_stopped("i")
    made.ensure_absent("i")
    domain = Domain("i", 1, 1, "c", 1, 64, (), (), tmp_path / "console.log")
    with pytest.raises(HypervisorError, match="only does networking"):
        made.ensure_running(domain)


def test_the_test_driver_is_made_from_configuration(tmp_path: Path) -> None:
    pytest.importorskip("libvirt")
    made = make_hypervisor(AgentConfig(driver="test", state_dir=str(tmp_path)), cloud_uuid="c", clock=SystemClock())
    assert made.facts().virt_type == "test"
    made.close()


def test_cache_mode_follows_the_file_system(tmp_path: Path) -> None:
    pytest.importorskip("libvirt")
    from compute_agent.hypervisor.libvirt_driver import cache_mode

    disk = tmp_path / "disk"
    disk.touch()
    assert cache_mode([disk, tmp_path / "missing"]) in ("none", "writeback")
    assert cache_mode([Path("/proc/self/status")]) == "writeback"
