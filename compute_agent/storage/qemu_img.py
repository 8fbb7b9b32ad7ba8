"""The only caller of qemu-img. No function has a default format: whoever calls must know what the bytes are.

Formats that a tool guesses from bytes a tenant wrote were the cause of ten OpenStack advisories.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common import tool
from common.deadlines import QEMU_IMG_COPY_S, QEMU_IMG_S
from common.errors import ToolFailed

_DIFFERS = 1  # the exit status of qemu-img compare
_COPIES = tool.Limits(address_space_mib=4096)  # a client of Ceph has dozens of threads, each with its stack


@dataclass(frozen=True)
class Source:
    """Bytes as QEMU's block layer opens them. objects: words that come before, such as credentials."""

    options: str
    objects: tuple[str, ...] = ()


def create_overlay(path: Path, *, base: Path, base_format: str, size_bytes: int) -> None:
    """Make a qcow2 of size_bytes whose unwritten parts are read from `base`.

    Runs under limits, for qemu-img opens the base, which a tenant made. Raises ToolFailed.
    """
    _create(["-b", str(base), "-F", base_format, "-f", "qcow2", str(path), str(size_bytes)])


def create_empty(path: Path, *, disk_format: str, size_bytes: int) -> None:
    """Make an empty, sparse disk of size_bytes. Raises ToolFailed."""
    _create(["-f", disk_format, str(path), str(size_bytes)])


def grow(disk: Path, size_bytes: int) -> None:
    """Let a qcow2 of ours that nobody writes to have size_bytes; one that has them already stays. Raises ToolFailed."""
    tool.run(["qemu-img", "resize", "-q", "-f", "qcow2", str(disk), str(size_bytes)], timeout_s=QEMU_IMG_S)


def copy(disk: Path, target: Path) -> None:
    """Make a qcow2 that stands alone of one of ours that nobody writes to. Raises ToolFailed."""
    convert(disk, "qcow2", target, "qcow2")


def convert(source: Path, source_format: str, target: Path, target_format: str) -> None:
    """Write a disk that nobody writes to, in another format or the same, to one that stands alone. Raises ToolFailed.

    Without a bound on the processor's time: it is the disk's length that counts.
    """
    words = ["qemu-img", "convert", "-q", "-f", source_format, "-O", target_format, str(source), str(target)]
    tool.run(words, timeout_s=QEMU_IMG_COPY_S, limits=_COPIES)


def convert_from(source: Source, target: Path, target_format: str) -> None:
    """As `convert`, from what options of QEMU describe. Raises ToolFailed."""
    words = [
        "qemu-img", "convert", "-q", *source.objects, "--image-opts", "-O", target_format, source.options, str(target),
    ]  # fmt: skip
    tool.run(words, timeout_s=QEMU_IMG_COPY_S, limits=_COPIES)


def convert_into(source: Source, target: Source) -> None:
    """As `convert`, into what is there already, reads as zeros, and is at least as long. Raises ToolFailed."""
    words = [
        "qemu-img", "convert", "-q", "-n", "--target-is-zero", *_objects(source, target), "--image-opts",
        "--target-image-opts", source.options, target.options,
    ]  # fmt: skip
    tool.run(words, timeout_s=QEMU_IMG_COPY_S, limits=_COPIES)


def compare(one: Source, other: Source) -> bool:
    """Whether two that nobody writes to have the same bytes, as a guest sees them.

    Raises ToolFailed when one of them can't be read.
    """
    words = ["qemu-img", "compare", "-q", *_objects(one, other), "--image-opts", one.options, other.options]
    try:
        tool.run(words, timeout_s=QEMU_IMG_COPY_S, limits=_COPIES)
    except ToolFailed as err:
        if err.facts.get("status") == _DIFFERS:
            return False
        raise
    return True


def _objects(one: Source, other: Source) -> tuple[str, ...]:
    """Two ends of one kind have one credential."""
    return one.objects if one.objects == other.objects else one.objects + other.objects


def of_file(path: Path, disk_format: str) -> Source:
    return Source(flat({"driver": disk_format, "file": {"driver": "file", "filename": str(path)}}))


def flat(value: Mapping[str, Any], prefix: str = "") -> str:
    """A tree of options in QEMU's one line, for what takes no JSON."""
    return ",".join(
        flat(each, f"{prefix}{key}.") if isinstance(each, Mapping) else f"{prefix}{key}={str(each).replace(',', ',,')}"
        for key, each in value.items()
    )


def resize(path: Path, *, disk_format: str, size_bytes: int) -> None:
    """Make a disk larger that nobody has open. Raises ToolFailed."""
    words = ["qemu-img", "resize", "-q", "-f", disk_format, str(path), str(size_bytes)]
    tool.run(words, timeout_s=QEMU_IMG_S, limits=tool.UNTRUSTED)


def virtual_size(path: Path, disk_format: str) -> int:
    """How large a disk is for a guest, in bytes. Raises ToolFailed."""
    words = ["qemu-img", "info", "--output=json", "-f", disk_format, str(path)]
    return int(json.loads(tool.run(words, timeout_s=QEMU_IMG_S, limits=tool.UNTRUSTED))["virtual-size"])


def size_of(source: Source) -> int:
    """As `virtual_size`. Raises ToolFailed."""
    words = ["qemu-img", "info", "--output=json", *source.objects, "--image-opts", source.options]
    return int(json.loads(tool.run(words, timeout_s=QEMU_IMG_S, limits=_COPIES))["virtual-size"])


def _create(arguments: list[str]) -> None:
    tool.run(["qemu-img", "create", "-q", *arguments], timeout_s=QEMU_IMG_S, limits=tool.UNTRUSTED)
