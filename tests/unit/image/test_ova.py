"""Appliances: what is read out of them, and what their archives and descriptions may not hold (IMG-15, IMG-16)."""

from __future__ import annotations

import io
import tarfile

import pytest

from common.errors import ImageRefused
from common.ova import appliance, descriptor
from common.ova.archive import read_members
from tests.unit.ova_files import EFI, VIRTUALBOX, ova, pack, special, vmware

DISK = b"not looked into here" * 100


def read(data: bytes) -> appliance.Appliance:
    return appliance.read(io.BytesIO(data), len(data))


def test_a_machine_from_vmware() -> None:
    data = ova(DISK, vmware(more=EFI))
    found = read(data)
    assert data[found.disk.offset : found.disk.offset + found.disk.size] == DISK
    assert found.description == descriptor.Description(
        name="the vm", disk_file="disk.vmdk", vcpus=2, memory_mib=1024,
        properties={
            "hw_disk_bus": "sata", "hw_vif_model": "e1000e", "hw_firmware_type": "uefi", "os_type": "linux",
        },
    )  # fmt: skip
    seen = bytearray()
    appliance.feed(io.BytesIO(data), found, seen.extend)
    assert seen == DISK


def test_a_machine_from_virtualbox() -> None:
    said = read(ova(DISK, VIRTUALBOX)).description
    assert (said.name, said.vcpus, said.memory_mib) == ("box", 4, 2048)
    assert said.properties == {
        "hw_disk_bus": "sata", "hw_vif_model": "e1000", "hw_firmware_type": "uefi", "os_type": "windows",
    }  # fmt: skip


@pytest.mark.parametrize(("kind", "controller", "nic", "bus", "model"), [
    ("5", "PIIX4", "PCNet32", "ide", "pcnet"), ("6", "lsilogicsas", "Flexible", "sata", "e1000"),
    ("6", "VirtioSCSI", "virtio", "scsi", "virtio"), ("20", "AHCI", "E1000e", "sata", "e1000e"),
    ("20", "virtio", "never heard of", "virtio", None), ("20", "nvme", "", "sata", None),
])  # fmt: skip
def test_hardware_in_our_words(kind: str, controller: str, nic: str, bus: str, model: str | None) -> None:
    found = descriptor.parse(vmware(kind=kind, controller=controller, nic=nic).encode()).properties
    assert (found["hw_disk_bus"], found.get("hw_vif_model")) == (bus, model)
    assert found["hw_firmware_type"] == "bios"


@pytest.mark.parametrize(("unit", "count", "expected"), [
    ("byte * 2^20", "512", 512), ("byte * 2^30", "2", 2048), ("GigaBytes", "1", 1024), ("MegaBytes", "256", 256),
    ("byte", "1073741824", 1024), ("byte * 2^20", "many", 0), ("byte * 2^99", "1", 2**40),
])  # fmt: skip
def test_memory_in_every_unit(unit: str, count: str, expected: int) -> None:
    text = vmware().replace("byte * 2^20", unit).replace("<rasd:VirtualQuantity>1024", f"<rasd:VirtualQuantity>{count}")
    assert descriptor.parse(text.encode()).memory_mib == expected


LINKS = [
    special("disk.vmdk", tarfile.SYMTYPE, "/etc/passwd"), special("disk.vmdk", tarfile.LNKTYPE, "/etc/shadow"),
    special("disk.vmdk", tarfile.CHRTYPE), special("disk.vmdk", tarfile.BLKTYPE), special("disk.vmdk", tarfile.FIFOTYPE),
    special("disk.vmdk", tarfile.DIRTYPE), special("disk.vmdk", tarfile.CONTTYPE),
    special("disk.vmdk", tarfile.GNUTYPE_SPARSE), special("disk.vmdk", b"Z"),
]  # fmt: skip


@pytest.mark.parametrize("member", LINKS, ids=lambda info: repr(info.type))
def test_only_plain_files_are_members(member: tarfile.TarInfo) -> None:
    """IMG-16: one archive for each other type of member."""
    data = pack([("vm.ovf", vmware().encode()), (member, b"")])
    with pytest.raises(ImageRefused, match="only plain files"):
        read(data)


@pytest.mark.parametrize("name", [
    "../disk.vmdk", "/etc/cron.d/x", "a/b.vmdk", "..", "-rf", "disk\n.vmdk", "dïsk.vmdk", "a..b", " disk", "disk\x1b[2J",
    "\u2215etc", "C:\\x",
])  # fmt: skip
def test_names_that_could_be_paths_are_refused(name: str) -> None:
    with pytest.raises(ImageRefused):
        read(pack([("vm.ovf", vmware().replace("disk.vmdk", name).encode()), (name, DISK)], tarfile.GNU_FORMAT))


def test_extended_headers_are_refused_since_readers_differ_on_them() -> None:
    info = tarfile.TarInfo("disk.vmdk")
    info.pax_headers = {"size": "1", "path": "../x"}
    for form in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
        long = tarfile.TarInfo("d" * 200)
        with pytest.raises(ImageRefused):
            read(pack([("vm.ovf", vmware().encode()), (info if form == tarfile.PAX_FORMAT else long, DISK)], form))


def _damaged() -> list[bytes]:
    whole = ova(DISK)
    flipped = bytearray(whole)
    flipped[10] ^= 1
    size = bytearray(whole)
    size[124:136] = b"77777777777\0"
    return [b"", b"\0" * 2048, whole[:700], bytes(flipped), bytes(size), b"x" * 5000, whole[:-12000]]


@pytest.mark.parametrize("data", _damaged(), ids=range(7))
def test_damaged_archives_are_refused(data: bytes) -> None:
    with pytest.raises(ImageRefused):
        read(data)


def test_too_many_members_and_twins_are_refused() -> None:
    with pytest.raises(ImageRefused, match="more than 64"):
        read(pack([(f"f{number}", b"") for number in range(65)]))
    with pytest.raises(ImageRefused, match="two files"):
        read(pack([("vm.ovf", b""), ("disk.vmdk", b"a"), ("disk.vmdk", b"b")]))


def test_sizes_in_base_256() -> None:
    data = bytearray(pack([("vm.ovf", vmware().encode()), ("disk.vmdk", DISK)]))
    at = bytes(data).index(b"disk.vmdk\0" + b"\0" * 80)
    data[at + 124 : at + 136] = b"\x80" + len(DISK).to_bytes(11, "big")
    data[at + 148 : at + 156] = b" " * 8
    data[at + 148 : at + 156] = b"%06o\0 " % sum(data[at : at + 512])
    assert [member.size for member in read_members(io.BytesIO(data), len(data))][1] == len(DISK)


BOMB = '<!DOCTYPE a [<!ENTITY l "ha"><!ENTITY m "&l;&l;&l;&l;">]>'


@pytest.mark.parametrize(("before", "after", "why"), [
    ("<Envelope", '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><Envelope', "document type"),
    ("<Envelope", BOMB + "<Envelope", "document type"),
    ("<Envelope", '<!DOCTYPE a SYSTEM "http://127.0.0.1/x.dtd"><Envelope', "document type"),
    ("the vm", "&undefined;", "well-formed"), ("</Envelope>", "", "well-formed"), ("UTF-8", "UTF-16", "well-formed"),
    ("UTF-8", "nonsense", "well-formed"), ("the vm", "<a>" * 100 + "</a>" * 100, "more parts"),
    ("the vm", "<a/>" * 20_001, "more parts"), ("the vm", "x" * 2**20, "longer"),
])  # fmt: skip
def test_descriptions_that_attack_their_reader_are_refused(before: str, after: str, why: str) -> None:
    text = vmware().replace(before, after, 1)
    if before.startswith("<Env"):
        assert "<!DOCTYPE" in text
    with pytest.raises(ImageRefused, match=why):
        descriptor.parse(text.encode())


SECOND = '<Disk ovf:capacity="1" ovf:diskId="vmdisk2" ovf:fileRef="file1"/>'
USED = "<Item><rasd:HostResource>ovf:/disk/vmdisk2</rasd:HostResource><rasd:ResourceType>17</rasd:ResourceType></Item>"


@pytest.mark.parametrize(("text", "why"), [
    (vmware(more=USED).replace("</DiskSection>", SECOND + "</DiskSection>"), "2 disks"),
    (vmware(disk=' ovf:parentRef="other"'), "child"), (vmware(file=' ovf:compression="gzip"'), "packed"),
    (vmware(file=' ovf:chunkSize="7"'), "packed"), (vmware().replace('fileRef="file1"', 'fileRef="x"'), "no file"),
    (vmware().replace("disk.vmdk", "../../etc/passwd"), "lacks the file"), ("<a/>", "envelope"),
    (vmware().replace("VirtualSystem", "Thing"), "0 machines"), (vmware().replace("<Disk ", "<y "), "0 disks"),
])  # fmt: skip
def test_what_is_not_one_machine_with_one_disk_is_refused(text: str, why: str) -> None:
    with pytest.raises(ImageRefused, match=why):
        read(ova(DISK, text))


def test_a_disk_that_is_not_what_the_manifest_says() -> None:
    data = ova(DISK).replace(DISK, DISK[::-1])
    with pytest.raises(ImageRefused, match="manifest"):
        appliance.feed(io.BytesIO(data), read(data), lambda _: None)
