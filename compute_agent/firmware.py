"""Which firmware beside the BIOS this node can give its guests: read from QEMU's firmware descriptors, as libvirt does."""

from __future__ import annotations

from pathlib import Path

import msgspec

DESCRIPTORS = Path("/usr/share/qemu/firmware")
UEFI = "uefi"
SECURE_BOOT = "uefi-secure-boot"


class _Target(msgspec.Struct, frozen=True):
    architecture: str


class _Descriptor(msgspec.Struct, frozen=True):
    interfaces: list[str] = msgspec.field(name="interface-types")
    targets: list[_Target]
    features: list[str]


def found(arch: str, folder: Path = DESCRIPTORS) -> list[str]:
    """Of UEFI and SECURE_BOOT (with keys enrolled) those that there are files for. What can't be read is not there."""
    kinds = set()
    for path in sorted(folder.glob("*.json")):
        try:
            each = msgspec.json.decode(path.read_bytes(), type=_Descriptor)
        except (OSError, msgspec.MsgspecError):
            continue
        if "uefi" not in each.interfaces or arch not in {target.architecture for target in each.targets}:
            continue
        if "secure-boot" not in each.features:
            kinds.add(UEFI)
        elif "enrolled-keys" in each.features:
            kinds.add(SECURE_BOOT)
    return sorted(kinds)
