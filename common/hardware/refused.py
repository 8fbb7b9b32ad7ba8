"""What this cloud's nodes can't do, asked for by flavor or image: refused in words, rather than left out in silence."""

from __future__ import annotations

import re

from common.errors import InvalidRequest
from common.hardware.wishes import FALSE, Wishes

_STANDARD = ("VCPU", "PCPU", "MEMORY_MB", "DISK_GB")
_RESOURCE = re.compile(r"resources[A-Za-z0-9_-]*:(.+)")
#: (extra spec or property as a pattern, what to say); a value that means no is no wish
_REFUSED = (
    (r"(hw:|hw_)tpm_(version|model|secret_security)", "no node has a virtual TPM"),
    (r"(hw:|hw_)mem_encryption(_model)?", "no node can encrypt its guests' memory"),
    (r"(hw:|hw_)viommu_model", "guests have no virtual IOMMU"),
    (r"hw:pmem", "no node has persistent memory"),
    (r"(hw:|hw_)ephemeral_encryption(_format)?", "local disks are not encrypted"),
    (r"(hw:|hw_)cpu_realtime(_mask)?", "guests' processors are not scheduled in real time"),
    (r"hw:cpu_dedicated_mask", "a guest's processors are all shared or all dedicated"),
    (r"hw:sound_model|hw_sound_model", "guests have no sound card"),
    (r"hw:usb_model|hw_usb_model|hw:redirected_ports|hw_redirected_ports", "guests have no USB devices of their own"),
    (r"accel:device_profile", "no node has accelerators"),
    (r"pci_passthrough:alias", "no PCI device is passed through"),
    (r"quota:vif_.*", "give the network or port a QoS policy instead"),
    (r"img_signature.*", "signatures of images are not verified"),
)  # fmt: skip
_PATTERNS = tuple((re.compile(rf"(?:{pattern})\Z"), why) for pattern, why in _REFUSED)


def check(wishes: Wishes) -> None:
    """Raises InvalidRequest for the first wish that can't be met anywhere."""
    for side, said in (("flavor", wishes.specs), ("image", wishes.properties)):
        for name, value in said.items():
            if str(value).lower() in FALSE and not name.startswith("quota:"):
                continue
            why = next((why for pattern, why in _PATTERNS if pattern.match(name)), None)
            if why is not None:
                raise InvalidRequest(
                    f"The {side} asks for {name[:64]}={str(value)[:64]}: that is not supported, {why}."
                )
    _check_emulator(wishes)
    _check_resources(wishes)


def _check_emulator(wishes: Wishes) -> None:
    if wishes.specs.get("hw:emulator_threads_policy", "share") != "share":
        raise InvalidRequest(
            "hw:emulator_threads_policy can only be share: QEMU's own threads run on the guest's CPUs."
        )


def _check_resources(wishes: Wishes) -> None:
    """A class that no node has would only end as "No valid host was found"."""
    for name, value in wishes.specs.items():
        match = _RESOURCE.match(name)
        if match is not None and (match[1] not in _STANDARD or str(value) != "0"):
            raise InvalidRequest(
                f"The flavor asks for {name[:64]}={str(value)[:32]}: nodes offer what the flavor's own amounts count, "
                "and no other resources."
            )
