"""An appliance's description (OVF, DMTF DSP0243): which file is its disk, and what hardware the disk's system expects.

The text is a tenant's: it is bounded, and a document type declaration, the root of every XML attack on the reader (external
and multiplied entities), ends the reading. Names are compared without their namespaces, which differ from tool to tool.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat

from common.errors import ImageRefused

MAX_BYTES = 1024 * 1024
_MAX_DEPTH, _MAX_ELEMENTS = 64, 20_000
# ResourceType of CIM_ResourceAllocationSettingData
_PROCESSOR, _MEMORY, _IDE, _SCSI, _ETHERNET, _DISK, _SATA = "3", "4", "5", "6", "10", "17", "20"
_NICS = {
    "pcnet32": "pcnet", "e1000": "e1000", "e1000e": "e1000e", "virtio": "virtio", "virtio-net": "virtio",
    "vmxnet3": "e1000e", "vmxnet2": "e1000", "vmxnet": "e1000", "flexible": "e1000", "ne2000": "ne2k_pci",
    "rtl8139": "rtl8139", "82540em": "e1000", "82543gc": "e1000", "82545em": "e1000",
}  # fmt: skip
_POWERS = {"": 1, "kilobytes": 2**10, "megabytes": 2**20, "gigabytes": 2**30, "byte": 1}
_POWER = re.compile(r"byte\s*\*\s*2\s*\^\s*([0-9]{1,2})\Z")


@dataclass(frozen=True)
class Description:
    """disk_file: the name of its one disk's file. properties: in the words of image properties. 0: nothing was said."""

    name: str
    disk_file: str
    properties: dict[str, str]
    vcpus: int
    memory_mib: int


@dataclass
class _Element:
    name: str
    attributes: dict[str, str]
    text: str = ""
    children: list[_Element] = field(default_factory=list)

    def all(self, *names: str) -> Iterator[_Element]:
        """Below it, however deep, in the order of the text."""
        for child in self.children:
            if child.name in names:
                yield child
            yield from child.all(*names)

    def say(self, name: str) -> str:
        """The text of a child; "" where there is none."""
        return next((child.text.strip() for child in self.children if child.name == name), "")


def parse(text: bytes) -> Description:
    """Raises ImageRefused for what is no description of one machine with one disk."""
    root = _tree(text)
    if root.name != "Envelope":
        raise ImageRefused("the OVA's description is no OVF envelope")
    systems = list(root.all("VirtualSystem"))
    if len(systems) != 1:
        raise ImageRefused(f"the OVA describes {len(systems)} machines, and an image is one: export them one by one")
    items = list(systems[0].all("Item", "StorageItem", "EthernetPortItem"))
    disk_item, disk_file = _disk(root, items)
    properties = {"hw_disk_bus": _bus(disk_item, items), "hw_firmware_type": _firmware(systems[0])}
    nic = next((item for item in items if item.say("ResourceType") == _ETHERNET), None)
    if nic is not None and (model := _NICS.get(nic.say("ResourceSubType").split(",")[0].strip().lower())):
        properties["hw_vif_model"] = model
    if os_type := _os_type(systems[0]):
        properties["os_type"] = os_type
    return Description(
        name=systems[0].say("Name") or systems[0].attributes.get("id", ""),
        disk_file=disk_file,
        properties=properties,
        vcpus=_quantity(items, _PROCESSOR, 1),
        memory_mib=_quantity(items, _MEMORY, 2**20),
    )


def _disk(root: _Element, items: list[_Element]) -> tuple[_Element | None, str]:
    files = {each.attributes.get("id", ""): each for each in root.all("File")}
    disks = {each.attributes.get("diskId", ""): each for each in root.all("Disk")}
    used = [item for item in items if item.say("ResourceType") == _DISK]
    wanted: list[tuple[_Element | None, _Element]] = [
        (item, disks[place]) for item in used if (place := item.say("HostResource").rpartition("/")[2]) in disks
    ]
    if not wanted:
        wanted = [(None, disk) for disk in disks.values()]
    if len(wanted) != 1:
        raise ImageRefused(f"the OVA's machine has {len(wanted)} disks, and an image is one: export them one by one")
    item, disk = wanted[0]
    if "parentRef" in disk.attributes:
        raise ImageRefused("the OVA's disk is the child of another disk: export the machine without snapshots")
    file = files.get(disk.attributes.get("fileRef", ""))
    if file is None:
        raise ImageRefused("the OVA's disk has no file: export the machine with its disk")
    if file.attributes.get("compression", "identity") not in ("identity", "") or "chunkSize" in file.attributes:
        raise ImageRefused("the OVA's disk is packed or in pieces: export it as plain streamOptimized VMDK")
    return item, file.attributes.get("href", "")


def _bus(disk: _Element | None, items: list[_Element]) -> str:
    """That of the disk's controller. Nodes have no SCSI controller but virtio's, so that others' disks come on SATA."""
    parent = disk.say("Parent") if disk is not None else ""
    controller = next((item for item in items if parent and item.say("InstanceID") == parent), None)
    if controller is None:
        return "sata"
    kind, model = controller.say("ResourceType"), controller.say("ResourceSubType").lower()
    if kind == _IDE:
        return "ide"
    if kind == _SCSI and model.startswith("virtio"):
        return "scsi"
    return "virtio" if model == "virtio" or model.startswith("virtio-blk") else "sata"


def _firmware(system: _Element) -> str:
    """VMware says it in a setting, VirtualBox in a section of its own."""
    for setting in system.all("Config", "ExtraConfig"):
        if setting.attributes.get("key") == "firmware" and setting.attributes.get("value", "").lower() == "efi":
            return "uefi"
    if any(each.attributes.get("type", "").upper().startswith("EFI") for each in system.all("Firmware")):
        return "uefi"
    return "bios"


def _os_type(system: _Element) -> str:
    for section in system.all("OperatingSystemSection"):
        said = " ".join([*section.attributes.values(), *(child.text for child in section.children)]).lower()
        if "windows" in said:
            return "windows"
        if any(word in said for word in ("linux", "debian", "ubuntu", "centos", "rhel", "sles", "fedora", "suse")):
            return "linux"
    return ""


def _quantity(items: list[_Element], kind: str, unit: int) -> int:
    """In units of `unit`; 0 where nothing sensible is said."""
    for item in items:
        said = item.say("VirtualQuantity")
        if item.say("ResourceType") != kind or not (said.isascii() and said.isdigit() and len(said) < 12):
            continue
        if kind == _PROCESSOR:
            return int(said)
        return int(said) * _unit_bytes(item.say("AllocationUnits").strip().lower()) // unit
    return 0


def _unit_bytes(text: str) -> int:
    if found := _POWER.match(text):
        return int(2 ** min(int(found[1]), 60))
    return _POWERS.get(text, 2**20)


def _tree(text: bytes) -> _Element:
    if len(text) > MAX_BYTES:
        raise ImageRefused(f"the OVA's description is longer than {MAX_BYTES} bytes")
    builder = _Builder()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.said
    parser.StartDoctypeDeclHandler = builder.doctype
    try:
        parser.Parse(text, True)
    except (expat.ExpatError, ValueError, LookupError) as err:  # LookupError: an encoding that nobody knows
        raise ImageRefused("the OVA's description is no well-formed XML; export the machine again") from err
    return builder.root.children[0]


class _Builder:
    def __init__(self) -> None:
        self.root = _Element("", {})
        self._open = [self.root]
        self._count = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if len(self._open) > _MAX_DEPTH or self._count > _MAX_ELEMENTS:
            raise ImageRefused("the OVA's description has more parts than any real one")
        element = _Element(_local(name), {_local(key): value for key, value in attributes.items()})
        self._open[-1].children.append(element)
        self._open.append(element)

    def end(self, _name: str) -> None:
        self._open.pop()

    def said(self, text: str) -> None:
        self._open[-1].text += text

    def doctype(self, *_: Any) -> None:
        raise ImageRefused("the OVA's description declares a document type, which none needs and none may")


def _local(name: str) -> str:
    return name.rpartition(" ")[2]
