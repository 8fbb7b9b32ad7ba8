"""What runs a guest, by libvirt's names."""

from __future__ import annotations

from enum import StrEnum


class VirtType(StrEnum):
    KVM = "kvm"
    QEMU = "qemu"
    TEST = "test"
