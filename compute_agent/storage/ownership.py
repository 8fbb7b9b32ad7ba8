"""Who may reach the agent's files: root, and QEMU by its group, which may pass through folders but not list them.

libvirt gives a guest's own disks to QEMU's user while the guest runs and takes them back afterwards. It does not touch
the folders above them nor, when told so, base images: those are root's, and QEMU's group may pass or read.
Nobody else can do anything.
"""

from __future__ import annotations

import grp
import os
from pathlib import Path

PASS_ONLY = 0o710
READ_ONLY = 0o440
PRIVATE = 0o600
_QEMU_GROUPS = ("libvirt-qemu", "qemu")  # Debian and Ubuntu; Fedora, RHEL and SUSE


def qemu_group() -> int | None:
    """The group QEMU runs with under qemu:///system; None where there is none, or where we may not give files away."""
    if os.geteuid() != 0:
        return None
    for name in _QEMU_GROUPS:
        try:
            return grp.getgrnam(name).gr_gid
        except KeyError:
            continue
    return None


def make_folder(folder: Path, group: int | None) -> None:
    """Make a folder through which only root and QEMU may pass; folders above it that are missing let everyone pass."""
    for place in reversed([above for above in folder.parents if not above.exists()]):
        place.mkdir(exist_ok=True)
        place.chmod(0o711)
    folder.mkdir(mode=0o700, exist_ok=True)
    give(folder, PASS_ONLY if group is not None else 0o700, group)


def give(path: Path, mode: int, group: int | None) -> None:
    """Owner root, QEMU's group, this mode; the mode last, so that it never is wider for another group."""
    if group is not None:
        os.chown(path, 0, group)
    path.chmod(mode)


def settle(path: Path) -> None:
    """Put a file's bytes on the disk, so that a power cut can't leave half a file under its final name."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
