"""Domain XML: golden files, no way to change the tree by a text (HYP-01), and libvirt's own opinion of it."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import HypervisorError
from common.rpc.hardware_v1 import (
    CpuTopology,
    CpuTuning,
    DiskTuning,
    Firmware,
    GuestCell,
    GuestHardware,
    InputBus,
    MachineType,
    MaxPhysAddr,
    VideoModel,
    WatchdogAction,
)
from compute_agent.hypervisor import domain_xml
from compute_agent.hypervisor.base import Disk, Domain, Nic
from compute_agent.hypervisor.domain_xml import Backing, CacheMode, Mark
from compute_agent.hypervisor.virt_type import VirtType
from compute_agent.storage.rbd_image import Pool, RbdImage
from tests.fixtures.private_libvirt import available, private_libvirt

GOLDEN = Path(__file__).parents[2] / "golden" / "domain_xml"
INSTANCE = "6f6e9e3a-6d0a-4c43-9b1c-7a2b1f0d5c11"
HOME = Path("/var/lib/cumulet/agent/instances") / INSTANCE
SMALL = Domain(
    instance_id=INSTANCE,
    epoch=1,
    generation=4,
    cloud_uuid="0d8a3f6e-1111-4222-8333-444455556666",
    vcpus=1,
    memory_mib=128,
    disks=(Disk(HOME / "root.qcow2", "qcow2", "vda"),),
    nics=(Nic("fa:16:3e:00:00:01", "cmltap0001", "cmlbr0001", 1450),),
    console_log=HOME / "console.log",
)
FULL = replace(
    SMALL,
    vcpus=4,
    memory_mib=4096,
    disks=(
        Disk(HOME / "root.qcow2", "qcow2", "vda"),
        Disk(HOME / "ephemeral.raw", "raw", "vdb"),
        Disk(HOME / "swap.raw", "raw", "vdc"),
        Disk(HOME / "config.iso", "raw", "vdd", read_only=True),
        Disk(
            Path("/var/lib/cumulet/agent/volumes/v1.qcow2"),
            "qcow2",
            "vde",
            serial="11112222-3333-4444-5555-666677778888",
        ),
    ),
    nics=(*SMALL.nics, Nic("fa:16:3e:00:00:02", "cmltap0002", "cmlbr0002", 9000, model="e1000")),
)
TUNED = replace(
    FULL,
    disks=(
        Disk(HOME / "root.qcow2", "qcow2", "sda", bus="scsi"),
        Disk(HOME / "config.iso", "raw", "sdb", bus="sata", read_only=True, is_cdrom=True),
    ),
    nvram=HOME / "nvram.fd",
    hardware=GuestHardware(
        machine_type=MachineType.Q35,
        firmware=Firmware.UEFI,
        secure_boot=True,
        boot_menu=True,
        topology=CpuTopology(sockets=1, cores=2, threads=2),
        cells=[
            GuestCell(id=0, cpus=[0, 1], memory_mib=2048, host_cell=0, pins=[1, 0]),
            GuestCell(id=1, cpus=[2, 3], memory_mib=2048, host_cell=0, pins=[4, 5]),
        ],
        page_kib=2048,
        locked_memory=True,
        cpu_tuning=CpuTuning(shares=512, period_us=20000, quota_us=10000),
        disk_tuning=DiskTuning(read_bytes_sec=1048576, total_iops_sec=100, total_iops_sec_max=200),
        vif_queues=4,
        packed_ring=True,
        rng_bytes=64,
        rng_period_ms=1000,
        watchdog=WatchdogAction.RESET,
        video=VideoModel.QXL,
        video_ram_mib=32,
        input_bus=InputBus.USB,
        serial_ports=3,
        hide_hypervisor=True,
        pmu=False,
        max_phys_addr=MaxPhysAddr(mode="emulate", bits=42),
        cpu_features=["avx2"],
    ),
)
FLOATING = replace(
    SMALL,
    shared_cpus=frozenset({0, 1, 3}),
    nvram=HOME / "nvram.fd",
    hardware=GuestHardware(
        firmware=Firmware.UEFI,
        cells=[GuestCell(id=0, cpus=[0], memory_mib=128, host_cell=0)],
        page_kib=4,
        rng=False,
        video=VideoModel.NONE,
        input_bus=InputBus.VIRTIO,
    ),
)
SERVED = replace(
    SMALL,
    disks=(
        *SMALL.disks,
        Disk(
            Path("/run/cumulet/nbd/node1/guests/0e0e.sock"),
            "raw",
            "vdb",
            serial="11112222-3333-4444-5",
            export="0e0e",
            tuning=DiskTuning(total_iops_sec=200, total_iops_sec_max=400),
        ),
    ),
)
IN_POOL = replace(
    SMALL,
    disks=(
        Disk(
            Path("/etc/ceph/ceph.conf"), "raw", "vda", serial="11112222-3333-4444-5", shareable=True,
            rbd=RbdImage(
                Pool("volumes", "cumulet", Path("/etc/ceph/ceph.conf"), Path("/etc/cumulet/rbd.key")),
                "volume-11112222-3333-4444-5555-666677778888",
            ),
        ),
    ),
)  # fmt: skip
BASE = {HOME / "root.qcow2": Backing(Path("/var/lib/cumulet/agent/cache") / ("ab" * 64), "qcow2")}
CASES = {
    "small-qemu": (SMALL, VirtType.QEMU, CacheMode.NONE),
    "small-kvm": (SMALL, VirtType.KVM, CacheMode.NONE),
    "small-test": (SMALL, VirtType.TEST, CacheMode.WRITEBACK),
    "full-qemu": (FULL, VirtType.QEMU, CacheMode.WRITEBACK),
    "full-kvm": (FULL, VirtType.KVM, CacheMode.NONE),
    "tuned-qemu": (TUNED, VirtType.QEMU, CacheMode.NONE),
    "tuned-kvm": (TUNED, VirtType.KVM, CacheMode.NONE),
    "served-qemu": (SERVED, VirtType.QEMU, CacheMode.WRITEBACK),
    "in-pool-qemu": (IN_POOL, VirtType.QEMU, CacheMode.WRITEBACK),
    "floating-qemu": (FLOATING, VirtType.QEMU, CacheMode.NONE),
}


def pretty(tree: ET.Element) -> str:
    ET.indent(tree)
    return ET.tostring(tree, encoding="unicode") + "\n"


@pytest.mark.parametrize("name", CASES)
def test_golden(name: str) -> None:
    """To accept a change on purpose: write `pretty(...)` into the file, and read the difference."""
    assert pretty(domain_xml.build(*CASES[name], BASE)) == (GOLDEN / f"{name}.xml").read_text()


def shape(element: ET.Element) -> tuple[object, ...]:
    return (element.tag, tuple(sorted(element.attrib)), tuple(shape(child) for child in element))


@settings(max_examples=150, deadline=None)
@given(text=st.text(max_size=60), field=st.integers(0, 7))
def test_hyp_01_no_text_changes_the_tree(text: str, field: int) -> None:
    disk, nic = SMALL.disks[0], SMALL.nics[0]
    tainted = [
        replace(SMALL, cloud_uuid=text),
        replace(SMALL, console_log=Path("/" + text)),
        replace(SMALL, disks=(replace(disk, serial="x" + text),)),
        replace(SMALL, disks=(replace(disk, path=Path("/" + text)),)),
        replace(SMALL, nics=(replace(nic, tap=text),)),
        replace(SMALL, nics=(replace(nic, bridge=text),)),
        replace(SMALL, nics=(replace(nic, mac_address=text),)),
        replace(SMALL, nics=(replace(nic, model=text),)),
    ][field]
    plain = replace(SMALL, disks=(replace(disk, serial="x"),)) if field == 2 else SMALL
    try:
        rendered = domain_xml.render(tainted, VirtType.QEMU, CacheMode.NONE, {})
    except HypervisorError:
        return
    parsed = ET.fromstring(rendered)
    assert shape(parsed) == shape(domain_xml.build(plain, VirtType.QEMU, CacheMode.NONE, {}))
    values = {value for element in parsed.iter() for value in (element.text, *element.attrib.values())}
    wanted = {1: str(Path("/" + text)), 2: "x" + text, 3: str(Path("/" + text))}.get(field, text)
    assert wanted in values


@pytest.mark.parametrize(
    "domain",
    [
        replace(SMALL, instance_id="../etc"),
        replace(SMALL, instance_id=INSTANCE.replace("-", "")),
        replace(SMALL, cloud_uuid="a\0b"),
        replace(SMALL, cloud_uuid="a\nb"),
        replace(SMALL, console_log=Path("/a\x1b")),
        replace(SMALL, disks=(Disk(HOME / "x", "auto", "vda"),)),
        replace(SMALL, disks=(Disk(HOME / "x", "vmdk", "vda"),)),
        replace(SMALL, disks=(Disk(HOME / "x", "", "vda"),)),
        replace(SMALL, disks=(Disk(Path("relative"), "raw", "vda"),)),
        replace(SMALL, disks=(Disk(HOME / "x", "raw", "vda'"),)),
        replace(SMALL, disks=(Disk(HOME / "x", "raw", "vda", bus="floppy"),)),
    ],
)
def test_what_no_domain_may_have_is_refused(domain: Domain) -> None:
    with pytest.raises(HypervisorError):
        domain_xml.render(domain, VirtType.QEMU, CacheMode.NONE, {})


@pytest.mark.parametrize(
    "backing", [Backing(Path("/x"), "vmdk"), Backing(Path("x"), "raw"), Backing(Path("/\0"), "raw")]
)
def test_a_backing_image_is_checked_too(backing: Backing) -> None:
    with pytest.raises(HypervisorError):
        domain_xml.render(SMALL, VirtType.QEMU, CacheMode.NONE, {HOME / "root.qcow2": backing})


def test_every_disk_has_an_explicit_format() -> None:
    """IMG-09."""
    tree = domain_xml.build(FULL, VirtType.QEMU, CacheMode.NONE, BASE)
    drivers = [disk.find("driver") for disk in tree.iter("disk")]
    assert [driver.get("type") for driver in drivers if driver is not None] == ["qcow2", "raw", "raw", "raw", "qcow2"]
    assert [chain.findtext("backingStore") is not None for chain in tree.iter("disk")] == [True] * 5


def test_scsi_disks_get_a_controller_that_guests_know() -> None:
    domain = replace(SMALL, disks=(Disk(HOME / "root.qcow2", "qcow2", "sda", bus="scsi"),))
    tree = domain_xml.build(domain, VirtType.QEMU, CacheMode.NONE, BASE)
    assert [node.get("model") for node in tree.iter("controller") if node.get("type") == "scsi"] == ["virtio-scsi"]


@pytest.mark.parametrize("virt_type", VirtType)
def test_ordinary_images_know_an_openstack_guest_by_its_smbios(virt_type: VirtType) -> None:
    """cloud-init stays off in a guest whose product name ds-identify does not know."""
    tree = domain_xml.build(SMALL, virt_type, CacheMode.NONE, BASE)
    assert tree.findtext("sysinfo/system/entry[@name='product']") == "OpenStack Nova"


def test_nothing_listens_on_the_network() -> None:
    """CON-08."""
    tree = domain_xml.build(FULL, VirtType.KVM, CacheMode.NONE, BASE)
    assert [listen.get("type") for listen in tree.iter("listen")] == ["socket"]
    assert all(graphics.get("port") is None for graphics in tree.iter("graphics"))
    assert {serial.get("type") for serial in tree.iter("serial")} <= {"pty", None}


def test_marks_are_read_back() -> None:
    mark = Mark("cloud", INSTANCE, 7, 9)
    assert domain_xml.read_mark(domain_xml.mark_text(mark)) == mark
    assert domain_xml.read_mark(ET.tostring(domain_xml.mark_element(mark), encoding="unicode")) == mark


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<instance/>",
        "<instance cloud='c' instance='i' epoch='x' generation='1'/>",
        "<!DOCTYPE a [<!ENTITY x 'y'>]><instance cloud='&x;' instance='i' epoch='1' generation='1'/>",
        "not xml",
    ],
)
def test_other_marks_are_nobodys(text: str) -> None:
    """HYP-02: entities are refused, what can't be read is not ours."""
    assert domain_xml.read_mark(text) is None


@pytest.mark.qemu
@pytest.mark.root
@pytest.mark.skipif(not available(), reason="needs root, libvirtd, virtlogd and QEMU")
def test_libvirt_takes_it(tmp_path: Path) -> None:
    """libvirt's schema accepts the golden files, and its QEMU driver makes command lines of them."""
    names = [name for name in CASES if name.endswith("-qemu") or (name.endswith("-kvm") and Path("/dev/kvm").exists())]
    image, secret = IN_POOL.disks[0].rbd, tmp_path / "secret.xml"
    assert image is not None
    with private_libvirt(tmp_path) as daemon:
        secret.write_text(domain_xml.render_secret(image.pool))
        virsh(daemon.uri, "secret-define", "--validate", str(secret))
        virsh(daemon.uri, "secret-set-value", domain_xml.secret_uuid(image.pool), "--base64", "a2V5")
        for name in names:
            path = str(GOLDEN / f"{name}.xml")
            virsh(daemon.uri, "define", "--validate", path)
            if name.endswith("-qemu"):
                argv = virsh(daemon.uri, "domxml-to-native", "qemu-argv", path)
                assert '"backing":"libvirt-' in argv or '"driver":"rbd"' in argv


def virsh(uri: str, *arguments: str) -> str:
    done = subprocess.run(["virsh", "-c", uri, *arguments], check=False, capture_output=True, timeout=60, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout
