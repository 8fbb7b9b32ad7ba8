"""Foreign disk formats become qcow2. One of the two callers of qemu-img (the other makes the nodes' disks).

What is converted has passed the inspector; its format is always said, its place in the file too, and the tool runs with
bounds on time, memory and output, and where there is no network.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from common import tool
from common.deadlines import IMAGE_CONVERT_S
from common.errors import ImageRefused, ToolFailed
from common.image_formats import vmdk

DRIVERS = {"vmdk": "vmdk", "vdi": "vdi", "vhd": "vpc", "vhdx": "vhdx"}  # ours: as qemu-img names it
_MIB = 1024 * 1024
_MEMORY_MIB = 1024
_FULL = 4096  # a file that ends this near to its bound has met it


@dataclass(frozen=True)
class ForeignDisk:
    """The bytes [offset, offset + size) of a file, in a format of DRIVERS."""

    path: Path
    disk_format: str
    offset: int
    size: int


def to_qcow2(disk: ForeignDisk, target: Path, *, most_bytes: int, timeout_s: float = IMAGE_CONVERT_S) -> None:
    """Write what the disk holds to `target`, which is there. Raises ImageRefused, also past `most_bytes`; ToolFailed
    when the tool can't be started at all.
    """
    name = str(disk.path).replace(",", ",,")
    place = f"file.driver=file,file.filename={name}"
    if disk.offset:  # the bytes lie within another file
        window = f"file.driver=raw,file.offset={disk.offset},file.size={disk.size}"
        place = f"{window},file.file.driver=file,file.file.filename={name}"
    source = f"driver={DRIVERS[disk.disk_format]},{place}"
    if disk.disk_format == "vmdk":
        with disk.path.open("rb") as file:
            vmdk.check_grains(file, disk.offset, disk.size)
    limits = tool.Limits(
        address_space_mib=_MEMORY_MIB, cpu_s=int(timeout_s), file_size_mib=-(-most_bytes // _MIB), network=False
    )
    tool.run(["qemu-img", "--version"], timeout_s=timeout_s, limits=limits)  # so that below it is the image's fault
    try:
        words = ["qemu-img", "convert", "-q", "-O", "qcow2", "--image-opts", source, str(target)]
        tool.run(words, timeout_s=timeout_s, limits=limits)
    except ToolFailed as err:
        if target.stat().st_size >= most_bytes - _FULL:
            raise ImageRefused(
                f"the {disk.disk_format} image takes more than {most_bytes} bytes when it is converted",
                detail=err.detail,
            ) from err
        raise ImageRefused(
            f"the {disk.disk_format} image could not be converted; it is damaged, or takes too long:"
            f" convert it with `qemu-img convert -O qcow2 OLD NEW` and upload the result",
            detail=err.detail,
        ) from err
