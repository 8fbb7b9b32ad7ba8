"""All of a guest's hardware, from a flavor and an image as servers keep them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from common.deadlines import SOFT_STOP_MOST_S, SOFT_STOP_S
from common.errors import InvalidRequest
from common.hardware import cpu, devices, numa, refused, trait_wishes, tuning
from common.hardware.numa import NumaWish, Pages
from common.hardware.trait_wishes import NO_TRAITS, TraitWishes
from common.hardware.wishes import Wish, Wishes
from common.rpc.hardware_v1 import Firmware, GuestHardware

UEFI_TRAIT = "CUSTOM_FIRMWARE_UEFI"
SECURE_BOOT_TRAIT = "COMPUTE_SECURITY_UEFI_SECURE_BOOT"


@dataclass(frozen=True)
class Hardware:
    """guest: all that is the same wherever the guest runs. numa: what it asks of a node's cells; None: nothing.

    stop_s: how long it gets to power itself off.
    """

    guest: GuestHardware
    numa: NumaWish | None = None
    traits: TraitWishes = NO_TRAITS
    stop_s: int = SOFT_STOP_S


PLAIN = Hardware(GuestHardware())
_PREFIXES = (
    "hw:",
    "hw_",
    "os:",
    "os_secure_boot",
    "os_shutdown_timeout",
    "quota:",
    "trait",
    "resources",
    "accel:",
    "pci_passthrough:",
    "img_",
)


def read(flavor: Mapping[str, Any], image: Mapping[str, Any]) -> Hardware:
    """flavor, image: the copies of them that a server keeps. Raises InvalidRequest, naming spec or property."""
    return of(flavor.get("extra_specs") or {}, image.get("properties") or {}, flavor["vcpus"], flavor["memory_mib"])


def of(specs: Mapping[str, str], properties: Mapping[str, str], vcpus: int, memory_mib: int) -> Hardware:
    """As `read`, for the parts of the two."""
    said = {name: str(value) for name, value in specs.items() if name.startswith(_PREFIXES)}
    asked = {name: str(value) for name, value in properties.items() if name.startswith(_PREFIXES)}
    if not said and not asked:
        return PLAIN
    wishes = Wishes(said, asked)
    refused.check(wishes)
    guest = _guest(wishes, int(vcpus))
    cells = numa.read(wishes, int(vcpus), int(memory_mib))
    if guest.locked_memory and (cells is None or cells.pages is Pages.ORDINARY):
        raise InvalidRequest("hw:locked_memory needs hw:mem_page_size beside it.")
    return Hardware(guest, cells, _traits(wishes, guest), _stop_s(wishes))


def _stop_s(wishes: Wishes) -> int:
    """os_shutdown_timeout, in seconds; 0: its power is cut at once."""
    asked = wishes.number(Wish(prop="os_shutdown_timeout"))
    if asked is not None and asked > SOFT_STOP_MOST_S:
        raise InvalidRequest(f"os_shutdown_timeout is {asked}; at most {SOFT_STOP_MOST_S} seconds are possible.")
    return SOFT_STOP_S if asked is None else asked


def _guest(wishes: Wishes, vcpus: int) -> GuestHardware:
    platform = devices.platform(wishes)
    model, queues = devices.vif(wishes, vcpus)
    rng, rng_bytes, rng_period_ms = devices.rng(wishes)
    video, video_ram_mib = devices.video(wishes)
    return GuestHardware(
        machine_type=platform.machine_type,
        firmware=platform.firmware,
        secure_boot=platform.secure_boot,
        boot_menu=bool(wishes.flag(Wish("hw:boot_menu", "hw_boot_menu"))),
        topology=cpu.topology(wishes, vcpus),
        cpu_tuning=tuning.cpu(wishes),
        disk_tuning=tuning.disk(wishes),
        disk_bus=devices.disk_bus(wishes, platform.machine_type),
        cdrom_bus=devices.cdrom_bus(wishes, platform.machine_type),
        vif_model=model,
        vif_queues=queues,
        rng=rng,
        rng_bytes=rng_bytes,
        rng_period_ms=rng_period_ms,
        watchdog=devices.watchdog(wishes),
        video=video,
        video_ram_mib=video_ram_mib,
        input_bus=devices.input_bus(wishes),
        serial_ports=devices.serial_ports(wishes),
        hide_hypervisor=devices.hides_hypervisor(wishes),
        pmu=wishes.flag(Wish("hw:pmu", "hw_pmu")),
        max_phys_addr=devices.max_phys_addr(wishes),
        guest_agent=devices.has_guest_agent(wishes),
        packed_ring=bool(wishes.flag(Wish("hw:virtio_packed_ring", "hw_virtio_packed_ring"))),
        locked_memory=bool(wishes.flag(Wish("hw:locked_memory", "hw_locked_memory"))),
    )


def _traits(wishes: Wishes, guest: GuestHardware) -> TraitWishes:
    """Those named, and those that what is asked for needs."""
    asked = trait_wishes.read(wishes)
    needed = set()
    if guest.firmware is Firmware.UEFI:
        needed.add(UEFI_TRAIT)
    if guest.secure_boot:
        needed.add(SECURE_BOOT_TRAIT)
    return TraitWishes(asked.required | needed, asked.forbidden)
