"""What a flavor and an image ask for is what a real guest sees: its own words on its console, booted by libvirt and QEMU.

From extra specs to the guest by the code that does it in a cloud; only the control plane and the network are left out.
"""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from common.clock import SystemClock
from common.hardware import fitting, reading
from common.hardware.fitting import HostCell
from common.hardware.numa import SMALL_PAGE_KIB
from common.ids import new_id
from common.rpc.compute_v1 import Guest, ImageSpec, InstanceSpec
from common.rpc.hardware_v1 import GuestCell, GuestHardware
from compute_agent import guest_domain, host_topology
from compute_agent.console.log import tail
from compute_agent.hypervisor.base import Domain, Nic
from compute_agent.hypervisor.domain_xml import Backing
from compute_agent.hypervisor.virt_type import VirtType
from compute_agent.metadata import documents
from compute_agent.storage import disks, ownership
from compute_agent.storage.disk_storage import as_disks
from compute_agent.storage.image_cache import CachedImage
from tests.fixtures.private_libvirt import PrivateLibvirt, available, private_libvirt

pytestmark = [
    pytest.mark.qemu,
    pytest.mark.root,
    pytest.mark.skipif(not available(), reason="needs root, libvirtd, virtlogd and QEMU"),
]
BOOT_S = 240.0  # two cores without virtualisation, shared with everything else
LARGE_KIB = 2048
CLOUD = new_id()
#: prints `fact NAME=VALUE` lines
LOOK = r"""#!/bin/sh
fact() { echo "fact $1=$2"; }
fact cpus $(grep -c ^processor /proc/cpuinfo)
fact cores $(sed -n 's/^cpu cores.*: //p' /proc/cpuinfo | head -n 1)
fact siblings $(sed -n 's/^siblings.*: //p' /proc/cpuinfo | head -n 1)
fact hypervisor $(grep -m 1 ^flags /proc/cpuinfo | grep -cw hypervisor)
fact cell0 $(cat /sys/devices/system/node/node0/cpulist)
fact cell1 $(cat /sys/devices/system/node/node1/cpulist)
fact disks $(cd /sys/block && echo sd* | tr ' ' ',')
fact drives $(cd /sys/block && echo sr* | tr ' ' ',')
label() { dd if=/dev/$1 bs=1 skip=$2 count=10 2>/dev/null | tr -d '\0'; }
for disk in sda sdb sdc sdd; do # which is which is the guest's to choose
  case $(label $disk 1144) in ephemeral?) label $disk 1144 && echo ;; esac
  case $(label $disk 1052) in swap0) echo swap0 && swapon /dev/$disk ;; esac
done >/tmp/labels
fact labels "$(sort /tmp/labels | tr '\n' ',')$(label sr0 32808)"
fact swap $(awk 'NR == 2 {print $3}' /proc/swaps)
fact rng $(cat /sys/class/misc/hw_random/rng_current)
fact queues $(ls -d /sys/class/net/eth0/queues/rx-* | wc -l)
fact serial $(grep -c 'uart:16550' /proc/tty/driver/serial)
for device in /sys/bus/pci/devices/*; do echo "$(cut -c3- $device/vendor):$(cut -c3- $device/device)"; done >/tmp/pci
fact watchdog $(grep -c 8086:25ab /tmp/pci)
fact q35 $(grep -c 8086:29c0 /tmp/pci)
fact screen $(grep -c 1af4:1050 /tmp/pci)
fact efi $([ -d /sys/firmware/efi ] && echo yes || echo no)
echo facts told
"""


@pytest.fixture(scope="module")
def libvirt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateLibvirt]:
    home = tmp_path_factory.mktemp("libvirt")
    _let_through(home)
    with private_libvirt(home) as daemon:
        yield daemon


def _let_through(folder: Path) -> None:
    while folder != Path("/tmp") and folder != folder.parent:
        folder.chmod(folder.stat().st_mode | 0o011)
        folder = folder.parent


@pytest.fixture
def image(tmp_path: Path) -> CachedImage:
    cache = os.environ.get("CUMULET_TEST_CACHE")
    if not cache:
        pytest.fail("CUMULET_TEST_CACHE does not name the folder with the built guest image: run devstack/test")
    _let_through(tmp_path)
    target = tmp_path / "agent" / "cache" / ("ab" * 64)
    ownership.make_folder(target.parent, ownership.qemu_group())
    shutil.copy(Path(cache) / "guest" / "cumulet-guest.qcow2", target)
    ownership.give(target, ownership.READ_ONLY, ownership.qemu_group())
    size = int(
        subprocess.run(
            ["qemu-img", "info", "--output=json", str(target)], check=True, capture_output=True, text=True, timeout=30
        ).stdout.split('"virtual-size":')[1].split(",")[0]
    )  # fmt: skip
    return CachedImage("ab" * 64, target, "qcow2", size)


def spec_of(
    specs: Mapping[str, str], properties: Mapping[str, str], cells: tuple[HostCell, ...], *, vcpus: int, memory_mib: int,
) -> InstanceSpec:  # fmt: skip
    """As scheduler/instance_spec.py makes it, for a node with these cells."""
    wanted = reading.of(specs, properties, vcpus, memory_mib)
    hardware: GuestHardware = wanted.guest
    if wanted.numa is not None:
        place = fitting.fit(wanted.numa, cells)
        assert place is not None, fitting.wanted_text(wanted.numa, cells)
        placed = [
            GuestCell(
                id=number, cpus=list(cell.wanted.cpus), memory_mib=cell.wanted.memory_mib, host_cell=0,
                pins=list(cell.pins),
            )
            for number, cell in enumerate(place.cells)
        ]  # fmt: skip
        hardware = msgspec.structs.replace(hardware, cells=placed, page_kib=place.page_kib)
    return InstanceSpec(
        id=new_id(), vcpus=vcpus, memory_mib=memory_mib, root_gib=0, config_drive=True, ephemeral_gib=2,
        ephemeral_parts_gib=[1, 1], swap_mib=16, hardware=hardware,
        image=ImageSpec(id=new_id(), sha512="ab" * 64, size_bytes=1, disk_format="qcow2", virtual_size_bytes=1, url=""),
        guest=Guest(
            hostname="looker", name="looker", project_id="p", user_data_b64=base64.b64encode(LOOK.encode()).decode()
        ),
    )  # fmt: skip


def made(spec: InstanceSpec, image: CachedImage, nics: tuple[Nic, ...], tmp_path: Path) -> Domain:
    """With the disks that the agent would make."""
    store = disks.InstanceDisks(tmp_path / "agent", SystemClock())
    files = [store.ensure_root(spec.id, image, 0)]
    files += [store.ensure_ephemeral(spec.id, size, number) for number, size in enumerate(spec.ephemeral_parts_gib)]
    files.append(store.ensure_swap(spec.id, spec.swap_mib))
    drive = store.ensure_config_drive(spec.id, documents.config_drive_files(documents.facts_of(spec, domain="x")))
    assert spec.hardware is not None
    return guest_domain.build(
        spec, (1, 1), disks=as_disks(files, drive, spec.hardware), nics=nics, cloud_uuid=CLOUD,
        console_log=store.folder(spec.id) / "console.log",
    )  # fmt: skip


@contextmanager
def running(domain: Domain, libvirt: PrivateLibvirt) -> Iterator[None]:
    from compute_agent.hypervisor.libvirt_driver import LibvirtHypervisor

    def backing_of(path: Path) -> Backing | None:
        found = disks.recorded_base(path)
        return Backing(found.path, found.format) if found else None

    driver = LibvirtHypervisor(libvirt.uri, VirtType.QEMU, cloud_uuid=CLOUD, backing_of=backing_of)
    try:
        driver.ensure_running(domain)
        yield
        driver.ensure_absent(domain.instance_id)
    finally:
        driver.ensure_absent(domain.instance_id)
        driver.close()


def facts_told(domain: Domain) -> dict[str, str]:
    until = time.monotonic() + BOOT_S
    while "facts told" not in (said := tail(domain.console_log, None, max_kib=256)):
        assert time.monotonic() < until, f"the guest did not tell within {BOOT_S:g} s:\n{said[-3000:]}"
        time.sleep(0.2)
    lines = [line.split("fact ", 1)[1].strip() for line in said.splitlines() if "fact " in line and "=" in line]
    return dict(line.split("=", 1) for line in lines)


@contextmanager
def large_pages(count: int) -> Iterator[None]:
    """Reserve them on this machine for as long as they are needed."""
    path = Path(f"/sys/devices/system/node/node0/hugepages/hugepages-{LARGE_KIB}kB/nr_hugepages")
    try:
        before = path.read_text()
        path.write_text(str(int(before) + count))
    except OSError as err:
        pytest.skip(f"this machine reserves no large pages: {err}")
    try:
        if int(path.read_text()) < int(before) + count:
            pytest.skip("this machine has not enough memory in one piece for large pages")
        yield
    finally:
        path.write_text(before)


def test_a_guest_sees_the_hardware_it_was_given(libvirt: PrivateLibvirt, image: CachedImage, tmp_path: Path) -> None:
    """CPUs and large pages of its own, cells, threads, buses, queues, watchdog, screen, serial ports, disks."""
    inside = ["nsenter", "--net", "--target", str(libvirt.libvirtd_pid), "ip"]
    subprocess.run([*inside, "link", "add", "cmlbr-h1", "mtu", "1450", "type", "bridge"], check=True, timeout=10)
    own = frozenset(range(2))
    with large_pages(100):
        [node] = host_topology.read(own)[:1]
        assert {pages.size_kib for pages in node.pages} >= {SMALL_PAGE_KIB, LARGE_KIB}
        halves = tuple(  # this machine's one cell, as if it were two
            HostCell(number, 0, frozenset({number}), frozenset({number}), (), {LARGE_KIB: 48}) for number in own
        )
        spec = spec_of(
            {
                "hw:cpu_policy": "dedicated", "hw:numa_nodes": "2", "hw:mem_page_size": "2MB", "hw:cpu_max_sockets": "1",
                "hw:cpu_cores": "2", "hw:vif_multiqueue_enabled": "true", "hw:watchdog_action": "reset",
                "hw:hide_hypervisor_id": "true", "hw:serial_port_count": "2", "quota:disk_total_iops_sec": "5000",
                "hw_rng:rate_bytes": "4096",
            },
            {
                "hw_machine_type": "q35", "hw_disk_bus": "scsi", "hw_cdrom_bus": "scsi", "hw_video_model": "virtio",
                "hw_rng_model": "virtio",
            },
            halves, vcpus=2, memory_mib=192,
        )  # fmt: skip
        domain = made(spec, image, (Nic("fa:16:3e:00:00:0a", "cmltap-h1", "cmlbr-h1", 1450),), tmp_path)
        with running(domain, libvirt):
            found = facts_told(domain)
            pinned = virsh(libvirt, "vcpupin", domain.instance_id)
            limits = virsh(libvirt, "blkdeviotune", domain.instance_id, "sda")
    wanted = {
        "cpus": "2", "cores": "2", "siblings": "2", "hypervisor": "0", "cell0": "0", "cell1": "1",
        "disks": "sda,sdb,sdc,sdd", "drives": "sr0", "rng": "virtio_rng.0", "queues": "2", "serial": "2",
        "watchdog": "1", "q35": "1", "screen": "1", "efi": "no", "swap": "16380",
        "labels": "ephemeral0,ephemeral1,swap0,config-2",
    }  # fmt: skip
    assert {name: found.get(name) for name in wanted} == wanted
    assert [line.split() for line in pinned.splitlines()[2:] if line.strip()] == [["0", "0"], ["1", "1"]]
    assert "total_iops_sec : 5000" in " ".join(limits.replace(":", " : ").split())


@pytest.mark.full
@pytest.mark.parametrize("secure", [False, True])
def test_a_guest_with_uefi_keeps_its_variables_beside_its_disks_until_it_goes(
    libvirt: PrivateLibvirt, image: CachedImage, tmp_path: Path, secure: bool
) -> None:
    """The kernel is started by UEFI's own shell, which secure boot does not let start one that nobody has signed."""
    properties = {"hw_firmware_type": "uefi", "hw_machine_type": "q35"}
    spec = spec_of({"os:secure_boot": "required"} if secure else {}, properties, (), vcpus=1, memory_mib=256)
    domain = made(spec, with_startup_script(image, tmp_path), (), tmp_path)
    assert domain.nvram is not None
    with running(domain, libvirt):
        if secure:
            until = time.monotonic() + BOOT_S
            while not any(word in (said := tail(domain.console_log, None, max_kib=256)) for word in REFUSED_BY_UEFI):
                assert time.monotonic() < until, said[-3000:]
                time.sleep(0.2)
        else:
            found = facts_told(domain)
            assert (found["efi"], found["q35"]) == ("yes", "1")
        assert domain.nvram.stat().st_size > 0
    assert not domain.nvram.exists()


REFUSED_BY_UEFI = ("Access Denied", "Security Violation", "Command Error Status")


def with_startup_script(image: CachedImage, tmp_path: Path) -> CachedImage:
    """The guest image with a script on its first partition that UEFI's shell runs by itself."""
    raw = tmp_path / "uefi.raw"
    subprocess.run(["qemu-img", "convert", "-O", "raw", str(image.path), str(raw)], check=True, timeout=60)
    script = tmp_path / "startup.nsh"
    words = "root=LABEL=cumulet-root console=tty0 console=ttyS0,115200 no_timer_check cryptomgr.notests nokaslr lsm="
    script.write_text(f"fs0:\r\nvmlinuz initrd=\\initrd.img {words}\r\n")
    subprocess.run(["mcopy", "-i", f"{raw}@@1M", str(script), "::startup.nsh"], check=True, timeout=30)
    target = image.path.with_name("cd" * 64)
    raw.rename(target)
    ownership.give(target, ownership.READ_ONLY, ownership.qemu_group())
    return CachedImage("cd" * 64, target, "raw", image.virtual_size_bytes)


def virsh(daemon: PrivateLibvirt, *arguments: str) -> str:
    done = subprocess.run(
        ["virsh", "-c", daemon.uri, *arguments], check=True, capture_output=True, timeout=30, text=True
    )
    return done.stdout
