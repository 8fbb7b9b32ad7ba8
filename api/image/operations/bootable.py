"""From bytes as they came to what nodes boot: judged, and converted to qcow2 where their format is another's.

Images that were uploaded in one piece stay as they are, to the byte: clients compare what they sent with what is kept. ISO
images stay ISO images, too. An appliance (container format `ova`) becomes its disk, with properties for what its
description says; what the owner has set already stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from api.image.operations.import_sources import Arrived, Job
from api.image.operations.uploads import Judge
from api.image.operations.workspace import Workspace
from api.image.store import CHUNK_BYTES, sync
from common.db.image_tasks import FoundOut
from common.db.images import StoredBytes
from common.errors import ImageRefused
from common.image_conversion import DRIVERS, ForeignDisk, to_qcow2
from common.image_inspector import Inspector
from common.killpoints import reach
from common.ova import appliance
from common.ova.archive import looks_like_one

_MIB = 1024 * 1024
_APPLIANCE = "ova"


@dataclass(frozen=True)
class Ready:
    """A file that may become the image. message: what was done with it, for the import's task."""

    path: Path
    stored: StoredBytes
    found: FoundOut
    message: str = ""


def made_bootable(job: Job, workspace: Workspace, arrived: Arrived) -> Ready:
    """Raises ImageRefused for what is not safely what it was declared to be, or can't be converted."""
    if arrived.stored is not None:
        return Ready(arrived.path, arrived.stored, arrived.found)
    if arrived.found.container_format == _APPLIANCE:
        return _from_appliance(job, workspace, arrived)
    stored = (arrived.judge or _judged(job, arrived.path)).finish(arrived.found.disk_format)
    if arrived.found.disk_format not in DRIVERS:
        return Ready(arrived.path, stored, arrived.found)
    disk = ForeignDisk(arrived.path, arrived.found.disk_format, 0, stored.size)
    return _converted(job, workspace, disk, stored.virtual_size, arrived.found.container_format, {})


def _from_appliance(job: Job, workspace: Workspace, arrived: Arrived) -> Ready:
    """Its disk lies in the archive as it is, so that nothing is unpacked: it is looked into and converted where it lies."""
    with arrived.path.open("rb") as file:
        if not looks_like_one(file.read(512)):
            raise ImageRefused("the image was declared an OVA but is no tar archive: declare what it is")
        found = appliance.read(file, arrived.path.stat().st_size)
        inspector = Inspector(max_virtual_bytes=job.services.config.image.max_virtual_gib * 1024**3)

        def see(chunk: bytes) -> None:
            job.checkpoint()
            inspector.feed(chunk)

        appliance.feed(file, found, see)
    virtual_size = inspector.finish("vmdk").virtual_size_bytes
    said = found.description
    hints = {"ovf_name": said.name[:255], "ovf_vcpus": str(said.vcpus), "ovf_memory_mib": str(said.memory_mib)}
    properties = {**said.properties, **{name: value for name, value in hints.items() if value not in ("", "0")}}
    disk = ForeignDisk(arrived.path, "vmdk", found.disk.offset, found.disk.size)
    return _converted(job, workspace, disk, virtual_size, "bare", properties)


def _converted(
    job: Job, workspace: Workspace, disk: ForeignDisk, virtual_size: int, container_format: str, properties: dict[str, str]
) -> Ready:  # fmt: skip
    job.checkpoint()
    scratch = workspace.new()
    most = min(virtual_size + virtual_size // 64 + 64 * _MIB, job.most_bytes())
    reach("image.import.convert")
    to_qcow2(disk, scratch.path, most_bytes=most)
    sync(scratch.file)
    stored = _judged(job, scratch.path).finish("qcow2")
    if stored.virtual_size < virtual_size - _MIB:
        raise ImageRefused(
            f"the {disk.disk_format} image declares a disk of {virtual_size} bytes and holds one of {stored.virtual_size}"
        )
    found = FoundOut("qcow2", container_format, properties)
    return Ready(scratch.path, stored, found, f"Converted from {disk.disk_format} to qcow2.")


def _judged(job: Job, path: Path) -> Judge:
    judge = Judge(job.services.config.image)
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            job.checkpoint()
            judge.feed(chunk)
    return judge
