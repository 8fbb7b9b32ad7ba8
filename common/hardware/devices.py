"""Machine, firmware and devices of a guest, from flavor and image. Source: Nova's extra specs and image properties."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from common.errors import InvalidRequest
from common.hardware.wishes import FALSE, TRUE, Wish, Wishes
from common.rpc.hardware_v1 import (
    DiskBus,
    Firmware,
    InputBus,
    MachineType,
    MaxPhysAddr,
    VideoModel,
    VifModel,
    WatchdogAction,
)

MAX_SERIAL_PORTS = 4  # as many as a PC has
MAX_QUEUES = 256  # of a tap device in Linux
_MACHINE = Wish("hw:machine_type", "hw_machine_type")
_FIRMWARE = Wish(prop="hw_firmware_type")
_SECURE_BOOT = Wish("os:secure_boot", "os_secure_boot")
_WATCHDOG = Wish("hw:watchdog_action", "hw_watchdog_action")
_VERSIONED = {"pc-i440fx-": MachineType.PC, "pc-q35-": MachineType.Q35}


class SecureBoot(StrEnum):
    DISABLED = "disabled"
    OPTIONAL = "optional"
    REQUIRED = "required"


@dataclass(frozen=True)
class Platform:
    machine_type: MachineType
    firmware: Firmware
    secure_boot: bool


def platform(wishes: Wishes) -> Platform:
    """Raises InvalidRequest for a machine that nodes don't have, and for secure boot without UEFI and q35."""
    machine = _machine(wishes)
    firmware = wishes.choice(_FIRMWARE, Firmware) or Firmware.BIOS
    able = firmware is Firmware.UEFI and machine is MachineType.Q35
    wanted = _secure_boot(wishes)
    if wanted is SecureBoot.REQUIRED and not able:
        raise InvalidRequest(
            "Secure boot needs UEFI and the machine type q35: set the image's hw_firmware_type to uefi and its "
            "hw_machine_type to q35."
        )
    return Platform(machine, firmware, able and wanted is SecureBoot.REQUIRED)


def _machine(wishes: Wishes) -> MachineType:
    """A version of a machine stands for the machine: which version a node has is the node's to know."""
    text = wishes.text(_MACHINE)
    if text is None:
        return MachineType.PC
    for prefix, kind in _VERSIONED.items():
        if text.startswith(prefix):
            return kind
    if text not in MachineType.__members__.values():
        raise InvalidRequest(f"hw_machine_type can't be {text[:64]!r}: one of {', '.join(MachineType)} is needed.")
    return MachineType(text)


def _secure_boot(wishes: Wishes) -> SecureBoot:
    """Optional is what the other side says; optional alone changes nothing here."""
    of_flavor = Wishes(wishes.specs, {}).choice(_SECURE_BOOT, SecureBoot)
    of_image = Wishes({}, wishes.properties).choice(_SECURE_BOOT, SecureBoot)
    said = {each for each in (of_flavor, of_image) if each is not None}
    if said == {SecureBoot.REQUIRED, SecureBoot.DISABLED}:
        wishes.choice(_SECURE_BOOT, SecureBoot)  # says how they disagree
    return SecureBoot.REQUIRED if SecureBoot.REQUIRED in said else SecureBoot.DISABLED


def disk_bus(wishes: Wishes, machine: MachineType) -> DiskBus:
    return _bus(wishes, "hw_disk_bus", machine) or DiskBus.VIRTIO


def cdrom_bus(wishes: Wishes, machine: MachineType) -> DiskBus | None:
    """None: a config drive is an ordinary disk, as guests without a driver for drives need it."""
    bus = _bus(wishes, "hw_cdrom_bus", machine)
    if bus is DiskBus.VIRTIO:
        raise InvalidRequest("hw_cdrom_bus can't be virtio: there is no such drive; leave it out for a disk.")
    return bus


def _bus(wishes: Wishes, name: str, machine: MachineType) -> DiskBus | None:
    bus = wishes.choice(Wish(prop=name), DiskBus)
    if bus is DiskBus.IDE and machine is MachineType.Q35:
        raise InvalidRequest(f"{name} can't be ide: the machine type q35 has none; sata is what it has instead.")
    return bus


def vif(wishes: Wishes, vcpus: int) -> tuple[VifModel, int]:
    """Model and number of queue pairs: one, or with multiqueue one for each vCPU."""
    model = wishes.choice(Wish(prop="hw_vif_model"), VifModel) or VifModel.VIRTIO
    several = wishes.flag(Wish("hw:vif_multiqueue_enabled", "hw_vif_multiqueue_enabled"))
    return model, min(vcpus, MAX_QUEUES) if several and model is VifModel.VIRTIO else 1


def rng(wishes: Wishes) -> tuple[bool, int, int]:
    """Whether there is one, and how many bytes it gives in how many milliseconds.

    A guest has one unless its flavor forbids it: without, small guests wait long for randomness when they boot.
    """
    model = wishes.image_says(Wish(prop="hw_rng_model"))
    if model not in (None, "virtio"):
        raise InvalidRequest(f"hw_rng_model can only be virtio, not {str(model)[:64]!r}.")
    if wishes.flag(Wish("hw_rng:allowed")) is False:
        return False, 0, 0
    limit = wishes.number(Wish("hw_rng:rate_bytes"), 1) or 0
    period = wishes.number(Wish("hw_rng:rate_period"), 1) or 0
    if period and not limit:
        raise InvalidRequest("hw_rng:rate_period needs hw_rng:rate_bytes beside it.")
    return True, limit, (period or 1000) if limit else 0


def watchdog(wishes: Wishes) -> WatchdogAction | None:
    """The image's word goes before the flavor's."""
    for name, text in (
        (_WATCHDOG.prop, wishes.image_says(_WATCHDOG)),
        (_WATCHDOG.spec, wishes.flavor_says(_WATCHDOG)),
    ):
        if text is None:
            continue
        if text == "disabled":
            return None
        if text not in WatchdogAction.__members__.values():
            raise InvalidRequest(
                f"{name} can't be {text[:64]!r}: one of {', '.join(WatchdogAction)}, disabled is needed."
            )
        return WatchdogAction(text)
    return None


def video(wishes: Wishes) -> tuple[VideoModel, int]:
    """Model and memory in MiB (0: the model's own). An image's wish for memory needs the flavor's leave."""
    model = wishes.choice(Wish(prop="hw_video_model"), VideoModel) or VideoModel.VGA
    wanted = wishes.number(Wish(prop="hw_video_ram"), 1)
    most = wishes.number(Wish("hw_video:ram_max_mb"))
    if wanted is None:
        return model, 0
    if wanted > (most or 0):
        raise InvalidRequest(
            f"The image wants {wanted} MiB of video memory (hw_video_ram), and the flavor allows {most or 0} "
            "(hw_video:ram_max_mb)."
        )
    return model, wanted


def input_bus(wishes: Wishes) -> InputBus | None:
    bus = wishes.choice(Wish("hw:input_bus", "hw_input_bus"), InputBus)
    pointer = wishes.image_says(Wish(prop="hw_pointer_model"))
    if pointer not in (None, "usbtablet", "ps2mouse"):
        raise InvalidRequest(f"hw_pointer_model can't be {str(pointer)[:64]!r}: one of usbtablet, ps2mouse is needed.")
    return bus or (InputBus.USB if pointer == "usbtablet" else None)


def serial_ports(wishes: Wishes) -> int:
    said, asked = wishes.numbers(Wish("hw:serial_port_count", "hw_serial_port_count"), 1)
    if said is not None and asked is not None and asked > said:
        raise InvalidRequest(f"The image's hw_serial_port_count is {asked}, and the flavor allows {said}.")
    count = asked or said or 1
    if count > MAX_SERIAL_PORTS:
        raise InvalidRequest(f"hw:serial_port_count is {count}; at most {MAX_SERIAL_PORTS} are possible.")
    return count


def hides_hypervisor(wishes: Wishes) -> bool:
    return bool(wishes.flag(Wish("hw:hide_hypervisor_id", "img_hide_hypervisor_id")))


def max_phys_addr(wishes: Wishes) -> MaxPhysAddr | None:
    mode = wishes.flavor_says(Wish("hw:maxphysaddr_mode"))
    bits = wishes.number(Wish("hw:maxphysaddr_bits"), 32)
    if mode is None:
        if bits is not None:
            raise InvalidRequest("hw:maxphysaddr_bits needs hw:maxphysaddr_mode beside it.")
        return None
    if mode not in ("passthrough", "emulate"):
        raise InvalidRequest(f"hw:maxphysaddr_mode can't be {mode[:64]!r}: one of passthrough, emulate is needed.")
    if (mode == "emulate") != (bits is not None):
        raise InvalidRequest("hw:maxphysaddr_bits is needed with hw:maxphysaddr_mode emulate, and only with it.")
    if bits is not None and bits > 52:
        raise InvalidRequest(f"hw:maxphysaddr_bits is {bits}; at most 52 are possible.")
    return MaxPhysAddr(mode=mode, bits=bits)


def has_guest_agent(wishes: Wishes) -> bool:
    text = (wishes.image_says(Wish(prop="hw_qemu_guest_agent")) or "no").lower()
    if text not in TRUE | FALSE:
        raise InvalidRequest(f"hw_qemu_guest_agent must be yes or no, not {text[:64]!r}.")
    return text in TRUE
