"""What a node can do, in the words of OpenStack's os-traits: read from what its agent reports, never set by hand.

Source: os-traits (HW_CPU_X86_*, HW_ARCH_*), and Nova's COMPUTE_STATUS_DISABLED for a node that takes no new instances.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from common.hardware.reading import SECURE_BOOT_TRAIT, UEFI_TRAIT

DISABLED = "COMPUTE_STATUS_DISABLED"
#: by what an agent calls the firmware
_BY_FIRMWARE = {"uefi": UEFI_TRAIT, "uefi-secure-boot": SECURE_BOOT_TRAIT}
_ARCHITECTURES = ("x86_64", "aarch64", "ppc64le", "s390x", "riscv64")
#: libvirt's name of a CPU feature, where it isn't simply the trait's in lower case
_OTHER_NAMES = {
    "AESNI": "aes", "SSE41": "sse4.1", "SSE42": "sse4.2", "SHA": "sha-ni", "CLMUL": "pclmuldq", "FMA3": "fma",
    "ABM": "abm", "SSE4A": "sse4a", "PDPE1GB": "pdpe1gb",
}  # fmt: skip
_FEATURES = (
    "3DNOW", "ABM", "AESNI", "AVX", "AVX2", "AVX512BW", "AVX512CD", "AVX512DQ", "AVX512F", "AVX512VL", "BMI", "BMI2",
    "CLMUL", "F16C", "FMA3", "FMA4", "MMX", "MPX", "PCID", "PDPE1GB", "SGX", "SHA", "SSE", "SSE2", "SSE3", "SSE41",
    "SSE42", "SSE4A", "SSSE3", "STIBP", "SVM", "TBM", "TSX", "VMX", "XOP",
)  # fmt: skip
_BY_FEATURE = {_OTHER_NAMES.get(name, name.lower()): f"HW_CPU_X86_{name}" for name in _FEATURES} | {
    "pni": "HW_CPU_X86_SSE3", "bmi1": "HW_CPU_X86_BMI", "rtm": "HW_CPU_X86_TSX",
    "pclmulqdq": "HW_CPU_X86_CLMUL",
}  # fmt: skip

#: every trait that a node of this cloud can have
ALL = frozenset(
    {DISABLED, *(f"HW_ARCH_{name.upper()}" for name in _ARCHITECTURES), *_BY_FEATURE.values(), *_BY_FIRMWARE.values()}
)


def of_node(inventory: Mapping[str, Any], *, disabled: bool) -> frozenset[str]:
    """inventory: the last compute_v1.Inventory as the database keeps it; {} of a node that has never reported."""
    found = {_BY_FEATURE[name] for name in inventory.get("cpu_features", ()) if name in _BY_FEATURE}
    if inventory.get("cpu_arch") in _ARCHITECTURES:
        found.add(f"HW_ARCH_{inventory['cpu_arch'].upper()}")
    found |= {_BY_FIRMWARE[name] for name in inventory.get("firmware", ()) if name in _BY_FIRMWARE}
    if disabled:
        found.add(DISABLED)
    return frozenset(found)
