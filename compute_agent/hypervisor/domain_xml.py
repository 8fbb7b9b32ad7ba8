"""A Domain as libvirt's XML: a tree built from typed values, never text put together. Pure: same values, same tree.

The domain bears the cloud's UUID, the instance, epoch and generation in its metadata: by that, and nothing else, the
agent knows its own domains.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from xml.etree import ElementTree as ET

from common.errors import HypervisorError
from common.ids import is_uuid
from compute_agent.hypervisor import hardware_xml
from compute_agent.hypervisor.base import Device, Disk, Domain, Nic
from compute_agent.hypervisor.hardware_xml import add as _add
from compute_agent.hypervisor.virt_type import VirtType
from compute_agent.storage.rbd_image import Pool, RbdImage

METADATA_URI = "urn:cumulet:domain:1"
METADATA_PREFIX = "cml"
NAME_PREFIX = "cml-"
BALLOON_STATS_PERIOD_S = 10
_SECRETS = uuid.UUID("0c3a3f52-7d0b-4c55-8e0b-6a3b2f9d1e77")  # what ids of secrets are made in
_FORMATS = ("qcow2", "raw")
_BUSES = ("virtio", "ide", "sata", "scsi", "usb")
_TERMINAL = re.compile(r"/dev/pts/[0-9]+")
_DEVICE = re.compile(r"[a-z]{2,3}[a-z]{1,2}")
_PLAIN = re.compile(r"[\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]*")

ET.register_namespace(METADATA_PREFIX, METADATA_URI)


class CacheMode(StrEnum):
    """none: past the host's page cache (needs O_DIRECT); writeback: works everywhere. Both obey a guest's flushes."""

    NONE = "none"
    WRITEBACK = "writeback"


@dataclass(frozen=True)
class Backing:
    """The image that an overlay is built on, in its recorded format; it stands alone."""

    path: Path
    format: str


@dataclass(frozen=True)
class Mark:
    """What a domain of ours says of itself."""

    cloud_uuid: str
    instance_id: str
    epoch: int
    generation: int
    evacuable: bool = False


def render(domain: Domain, virt_type: VirtType, cache: CacheMode, backings: Mapping[Path, Backing]) -> str:
    """The domain's XML; `backings` says by a disk's path what it is built on.

    Raises HypervisorError for values that no domain may have.
    """
    return ET.tostring(build(domain, virt_type, cache, backings), encoding="unicode")


def render_backup(device: str, target: Path) -> str:
    """What libvirt's backup job takes: this one disk, pushed whole into a new qcow2. Raises HypervisorError."""
    if not _DEVICE.fullmatch(device) or not target.is_absolute() or not _PLAIN.fullmatch(str(target)):
        raise HypervisorError(f"{device!r} can't be copied: its name or the copy's is not sound")
    root = ET.Element("domainbackup", mode="push")
    disk = _add(_add(root, "disks"), "disk", name=device, type="file", backup="yes")
    _add(disk, "driver", type="qcow2")
    _add(disk, "target", file=str(target))
    return ET.tostring(root, encoding="unicode")


def render_device(device: Device, cache: CacheMode, backing: Backing | None) -> str:
    """One device by itself, for a running domain. Raises HypervisorError for values that no device may have."""
    if isinstance(device, Disk) and not _disk_is_sound(device):
        raise HypervisorError(f"a disk of unknown format, bus or place: {device.device!r}")
    for text in _texts(device):
        if not _PLAIN.fullmatch(text):
            raise HypervisorError(f"a device has a value with control characters: {text!r}")
    parent = ET.Element("devices")
    if isinstance(device, Disk):
        hardware_xml.add_disk_tuning(_add_disk(parent, device, cache, backing), device.tuning)
    else:
        _add_nic(parent, device)
    return ET.tostring(parent[0], encoding="unicode")


def find_device(domain_text: str, address: str) -> str | None:
    """The element of the card with this MAC address, or of the disk of this name, in libvirt's own description."""
    if "<!" in domain_text.replace("<!--", ""):
        return None
    devices = ET.fromstring(domain_text).find("devices")  # noqa: S314 - entities are refused above
    for element in () if devices is None else devices:
        mac, target = element.find("mac"), element.find("target")
        is_card = element.tag == "interface" and mac is not None and mac.get("address", "").lower() == address.lower()
        if is_card or (element.tag == "disk" and target is not None and target.get("dev") == address):
            return ET.tostring(element, encoding="unicode")
    return None


def alias_of(device_text: str) -> str | None:
    """What QEMU calls a device that `find_device` has found."""
    alias = ET.fromstring(device_text).find("alias")  # noqa: S314 - our own text
    return None if alias is None else alias.get("name")


def find_terminal(domain_text: str) -> str | None:
    """The pseudo-terminal of the first serial port, in libvirt's own description of a running domain."""
    if "<!" in domain_text.replace("<!--", ""):
        return None
    source = ET.fromstring(domain_text).find("devices/serial[@type='pty']/source")  # noqa: S314 - as above
    path = "" if source is None else source.get("path", "")
    return path if _TERMINAL.fullmatch(path) else None


def build(domain: Domain, virt_type: VirtType, cache: CacheMode, backings: Mapping[Path, Backing]) -> ET.Element:
    _check(domain, backings)
    root = ET.Element("domain", type=virt_type.value)
    _add(root, "name", NAME_PREFIX + domain.instance_id)
    _add(root, "uuid", domain.instance_id)
    _add(root, "metadata").append(mark_element(mark_of(domain)))
    _add(root, "memory", str(domain.memory_mib), unit="MiB")
    _add(root, "currentMemory", str(domain.memory_mib), unit="MiB")
    hardware_xml.add_processors(root, domain)
    _add_system(root, domain)
    hardware_xml.add_os(root, domain, virt_type)
    hardware_xml.add_features(root, domain.hardware, virt_type)
    hardware_xml.add_cpu(root, domain.hardware, virt_type)
    clock = _add(root, "clock", offset="utc")
    _add(clock, "timer", name="pit", tickpolicy="delay")
    _add(clock, "timer", name="rtc", tickpolicy="catchup")
    _add(root, "on_poweroff", "destroy")
    _add(root, "on_reboot", "restart")
    _add(root, "on_crash", "destroy")
    sleep = _add(root, "pm")  # a guest that suspends itself would look like one that hangs
    _add(sleep, "suspend-to-mem", enabled="no")
    _add(sleep, "suspend-to-disk", enabled="no")
    devices = _add(root, "devices")
    for disk in domain.disks:
        element = _add_disk(devices, disk, cache, backings.get(disk.path))
        hardware_xml.add_disk_tuning(element, disk.tuning or domain.hardware.disk_tuning)
    hardware_xml.add_controllers(devices, domain)
    for nic in domain.nics:
        hardware_xml.add_nic_driver(_add_nic(devices, nic), nic, domain.hardware)
    _add_consoles(devices, domain)
    hardware_xml.add_video(devices, domain.hardware)
    hardware_xml.add_small_devices(devices, domain.hardware)
    balloon = _add(devices, "memballoon", model="virtio")
    _add(balloon, "stats", period=str(BALLOON_STATS_PERIOD_S))
    return root


def mark_of(domain: Domain) -> Mark:
    return Mark(domain.cloud_uuid, domain.instance_id, domain.epoch, domain.generation, domain.evacuable)


def mark_element(mark: Mark) -> ET.Element:
    attributes = {
        "cloud": mark.cloud_uuid,
        "instance": mark.instance_id,
        "epoch": str(mark.epoch),
        "generation": str(mark.generation),
    }
    if mark.evacuable:
        attributes["evacuable"] = "true"
    return ET.Element(f"{{{METADATA_URI}}}instance", attributes)


def mark_text(mark: Mark) -> str:
    """The mark as the document that libvirt's metadata call takes; that call adds the namespace itself."""
    element = mark_element(mark)
    element.tag = "instance"
    return ET.tostring(element, encoding="unicode")


def read_mark(text: str) -> Mark | None:
    """The mark in a domain's metadata, or None when it is not one of ours or not readable."""
    if "<!" in text:  # no entities from anywhere
        return None
    try:
        element = ET.fromstring(text)  # noqa: S314 - entities are refused above
        return Mark(
            element.attrib["cloud"],
            element.attrib["instance"],
            int(element.attrib["epoch"]),
            int(element.attrib["generation"]),
            element.get("evacuable") == "true",
        )
    except (ET.ParseError, KeyError, ValueError):
        return None


def _add_system(root: ET.Element, domain: Domain) -> None:
    """SMBIOS shows the instance's own id and never the host's (OSSN-0028).

    The product's name is the one by which cloud-init of ordinary images knows where it is; with another it stays off.
    """
    system = _add(_add(root, "sysinfo", type="smbios"), "system")
    for name, value in (
        ("manufacturer", "Cumulet"),
        ("product", "OpenStack Nova"),
        ("serial", domain.instance_id),
        ("uuid", domain.instance_id),
        ("family", "Virtual Machine"),
    ):
        _add(system, "entry", value, name=name)


def _add_disk(devices: ET.Element, disk: Disk, cache: CacheMode, backing: Backing | None) -> ET.Element:
    """The whole chain is spelt out, so that nothing is read from the disk's own header to find it.

    relabel="no": libvirt would otherwise give the shared base image to QEMU's user for good, who could then write it.
    """
    kind = "file" if disk.is_file else "network"
    element = _add(devices, "disk", type=kind, device="cdrom" if disk.is_cdrom else "disk")
    driver = _add(element, "driver", name="qemu", type=disk.format, cache=cache.value)
    if not disk.read_only:
        driver.set("discard", "unmap")
    if disk.export:
        _add_export(element, driver, disk)
    elif disk.rbd is not None:
        _add_image(element, driver, disk.rbd)
    else:
        _add(element, "source", file=str(disk.path))
    chain = _add(element, "backingStore")
    if backing is not None:
        chain.set("type", "file")
        _add(chain, "format", type=backing.format)
        source = _add(chain, "source", file=str(backing.path))
        _add(source, "seclabel", model="dac", relabel="no")
        _add(chain, "backingStore")
    _add(element, "target", dev=disk.device, bus=disk.bus)
    if disk.read_only:
        _add(element, "readonly")
    if disk.boot:
        _add(element, "boot", order="1")
    if disk.shareable:
        _add(element, "shareable")
    if disk.serial:
        _add(element, "serial", disk.serial)
    return element


def _be_patient(driver: ET.Element) -> None:
    """A guest pauses when its volume is away for long, and sees no error: what it has written must not be given up."""
    driver.set("cache", CacheMode.NONE.value)
    driver.set("error_policy", "stop")
    driver.set("rerror_policy", "stop")


def _add_image(element: ET.Element, driver: ET.Element, image: RbdImage) -> None:
    """The monitors are in the cluster's configuration; the key is the hypervisor's secret, and in no argument list."""
    _be_patient(driver)
    source = _add(element, "source", protocol="rbd", name=f"{image.pool.name}/{image.name}")
    _add(source, "config", file=str(image.pool.conf_file))
    if image.pool.key_file is not None:
        auth = _add(source, "auth", username=image.pool.user)
        _add(auth, "secret", type="ceph", uuid=secret_uuid(image.pool))


def secret_uuid(pool: Pool) -> str:
    """Of the secret with the key of the pool's user: the same on all nodes, so that a definition holds on each."""
    return str(uuid.uuid5(_SECRETS, f"{pool.name}/{pool.user}"))


def render_secret(pool: Pool) -> str:
    """Of this libvirtd's memory only, and told to nobody."""
    root = ET.Element("secret", ephemeral="yes", private="yes")
    _add(root, "uuid", secret_uuid(pool))
    _add(_add(root, "usage", type="ceph"), "name", f"cumulet {pool.name} {pool.user}")
    return ET.tostring(root, encoding="unicode")


def _add_export(element: ET.Element, driver: ET.Element, disk: Disk) -> None:
    _be_patient(driver)
    source = _add(element, "source", protocol="nbd", name=disk.export)
    _add(source, "host", transport="unix", socket=str(disk.path))


def _add_nic(devices: ET.Element, nic: Nic) -> ET.Element:
    element = _add(devices, "interface", type="bridge")
    _add(element, "mac", address=nic.mac_address)
    _add(element, "source", bridge=nic.bridge)
    _add(element, "target", dev=nic.tap)
    _add(element, "model", type=nic.model)
    _add(element, "mtu", size=str(nic.mtu))
    return element


def _add_consoles(devices: ET.Element, domain: Domain) -> None:
    """Serial console on a pty, logged by virtlogd; screen on a unix socket. Nothing listens on the network.

    libvirt chooses the socket's path, in the guest's private folder: a folder of ours would have to be writable for
    every guest's QEMU.
    """
    serial = _add(devices, "serial", type="pty")
    _add(serial, "log", file=str(domain.console_log), append="off")
    _add(serial, "target", type="isa-serial", port="0")
    for port in hardware_xml.serial_ports(domain.hardware):
        _add(_add(devices, "serial", type="pty"), "target", type="isa-serial", port=port)
    console = _add(devices, "console", type="pty")
    _add(console, "target", type="serial", port="0")
    if domain.guest_agent:
        channel = _add(devices, "channel", type="unix")
        _add(channel, "target", type="virtio", name="org.qemu.guest_agent.0")
    graphics = _add(devices, "graphics", type="vnc")
    _add(graphics, "listen", type="socket")


def _check(domain: Domain, backings: Mapping[Path, Backing]) -> None:
    """Refuse what XML can't carry unchanged or would understand differently."""
    if not is_uuid(domain.instance_id) or len(domain.instance_id) != 36:
        raise HypervisorError(f"{domain.instance_id!r} is not an instance id", instance_id=domain.instance_id)
    wrong = [disk.device for disk in domain.disks if not _disk_is_sound(disk)]
    if wrong:
        raise HypervisorError(
            f"server {domain.instance_id} has disks of unknown format, bus or place: {', '.join(map(repr, wrong))}",
            instance_id=domain.instance_id,
        )
    used = [backings[disk.path] for disk in domain.disks if disk.path in backings]
    if any(backing.format not in _FORMATS or not backing.path.is_absolute() for backing in used):
        raise HypervisorError(
            f"server {domain.instance_id} has a disk on an image of unknown format or place",
            instance_id=domain.instance_id,
        )
    texts = [domain.cloud_uuid, str(domain.console_log), *(str(backing.path) for backing in used)]
    texts += [str(domain.nvram or ""), *domain.hardware.cpu_features]
    devices: tuple[Device, ...] = (*domain.disks, *domain.nics)
    texts += [text for device in devices for text in _texts(device)]
    for text in texts:
        if not _PLAIN.fullmatch(text):
            raise HypervisorError(
                f"server {domain.instance_id} has a value with control characters: {text!r}",
                instance_id=domain.instance_id,
            )


def _texts(device: Device) -> tuple[str, ...]:
    if isinstance(device, Disk):
        return str(device.path), device.serial, device.export, *_image_texts(device.rbd)
    return device.mac_address, device.tap, device.bridge, device.model


def _image_texts(image: RbdImage | None) -> tuple[str, ...]:
    return () if image is None else (image.pool.name, image.pool.user, image.name)


def _disk_is_sound(disk: Disk) -> bool:
    known = disk.format in _FORMATS and disk.bus in _BUSES and disk.path.is_absolute()
    return known and bool(_DEVICE.fullmatch(disk.device))
