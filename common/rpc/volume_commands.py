"""The commands of compute_v1.py that are about volumes; its rules hold for them."""

from __future__ import annotations

import msgspec

from common.rpc.command_base import CommandBase, DeviceCommandBase, ImageSpec
from common.rpc.hardware_v1 import DiskTuning


class VolumeExport(msgspec.Struct, frozen=True, kw_only=True):
    """Where the node that has a volume's file serves it over NBD, to one node for one server.

    id: the export's name, which nobody can guess. server_name: of the node, as its certificate says.
    """

    id: str
    address: str
    port: int
    server_name: str


class VolumeDisk(msgspec.Struct, frozen=True, kw_only=True):
    """A volume as a disk of a server; its id is the disk's serial, as far as one is long enough.

    shareable: other guests may have it at the same time. boots: the guest is started from it. export: how the node reaches
    it; None: by itself. backend: "rbd" for an image of a Ceph pool, else its file is here. tuning: how fast the guest may
    read and write it; None: as fast as it can.
    """

    id: str
    disk_format: str
    device: str  # "vdb"
    read_only: bool = False
    shareable: bool = False
    bus: str = "virtio"
    is_cdrom: bool = False
    boots: bool = False
    tag: str = ""  # the device's, which the guest reads in its metadata
    export: VolumeExport | None = None
    tuning: DiskTuning | None = None
    backend: str = ""


class PlugVolume(DeviceCommandBase, frozen=True, kw_only=True, tag="plug_volume"):
    """Give the instance this disk, in the running guest too; device_id is the volume's."""

    volume: VolumeDisk


class UnplugVolume(DeviceCommandBase, frozen=True, kw_only=True, tag="unplug_volume"):
    """Take the disk from the instance; a running guest is asked to let it go. Succeeds without one.

    export_id: of the export it was reached by, whose connection ends then; "": none.
    """

    device: str
    export_id: str = ""


class _VolumeCommand(CommandBase, frozen=True, kw_only=True):
    """About a volume's file in the node's folder of volumes; generation is the volume's, epoch always 0.

    instance_id: the server on this node that has the volume as `device` of its guest, running or not; "" for none.
    backend: "rbd" where the volume is an image of a Ceph pool: what is said of files holds for that.
    """

    volume_id: str
    device: str = ""
    backend: str = ""


class EnsureVolume(_VolumeCommand, frozen=True, kw_only=True, tag="ensure_volume"):
    """Make the volume's file: empty, or with the bytes of one of image, snapshot and source volume.

    instance_id and device are about the source volume, as source_backend, also that of the snapshot, which then is told
    with its volume. existing: the name of an unmanaged file that becomes it instead. shareable: several guests may have it.
    """

    size_gib: int
    disk_format: str  # "qcow2" or "raw"
    image: ImageSpec | None = None
    snapshot_id: str = ""
    source_volume_id: str = ""
    source_format: str = ""  # of the snapshot or source volume
    existing: str = ""
    source_backend: str = ""
    shareable: bool = False


class EnsureVolumeAbsent(_VolumeCommand, frozen=True, kw_only=True, tag="ensure_volume_absent"):
    """Remove the volume's file. Succeeds when nothing is there; snapshots stay.

    unmanaged_as: it is kept, as an unmanaged file of this name; disk_format: in this format.
    """

    unmanaged_as: str = ""
    disk_format: str = ""


class SnapshotVolume(_VolumeCommand, frozen=True, kw_only=True, tag="snapshot_volume"):
    """Keep a copy of the volume's bytes as they are at one moment, as qcow2; a guest that has it goes on meanwhile.

    existing: the name of an unmanaged file that becomes the snapshot instead.
    """

    disk_format: str
    snapshot_id: str
    existing: str = ""


class EnsureVolumeSnapshotAbsent(_VolumeCommand, frozen=True, kw_only=True, tag="ensure_volume_snapshot_absent"):
    """Remove the copy, whole or not. Succeeds when there is none. unmanaged_as: as in EnsureVolumeAbsent."""

    snapshot_id: str
    unmanaged_as: str = ""


class ResizeVolume(_VolumeCommand, frozen=True, kw_only=True, tag="resize_volume"):
    """Make the volume larger; a guest that has it sees that at once.

    export_id: of the export by which the guest of instance_id has it; the file has grown where it is served, and now the
    guest is to see it.
    """

    disk_format: str
    size_gib: int
    export_id: str = ""


class RevertVolume(_VolumeCommand, frozen=True, kw_only=True, tag="revert_volume"):
    """Bring the volume's bytes back to those of a snapshot; it keeps its size. No guest may have it."""

    disk_format: str
    size_gib: int
    snapshot_id: str


class ReimageVolume(_VolumeCommand, frozen=True, kw_only=True, tag="reimage_volume"):
    """Give the volume the bytes of an image; it keeps its size. No guest that runs may have it."""

    disk_format: str
    size_gib: int
    image: ImageSpec


class UploadVolume(_VolumeCommand, frozen=True, kw_only=True, tag="upload_volume"):
    """Send a copy of the volume's bytes of one moment to the image service. url: absolute.

    image_format: what the image is to be, "qcow2" or "raw".
    """

    disk_format: str
    image_id: str
    image_format: str
    url: str


class CopyVolume(_VolumeCommand, frozen=True, kw_only=True, tag="copy_volume"):
    """Keep a raw, sparse copy of the volume's bytes of one moment, or of a snapshot's, for a backup that is made of it.

    disk_format: of what is copied. DiscardVolumeCopy removes it, with the backup's id.
    """

    disk_format: str
    backup_id: str
    snapshot_id: str = ""


class RestoreVolume(_VolumeCommand, frozen=True, kw_only=True, tag="restore_volume"):
    """Give the volume the bytes of a backup, all at once; it keeps its size. No guest may have it."""

    disk_format: str
    size_gib: int
    backup_location: str


class DiscardVolumeCopy(_VolumeCommand, frozen=True, kw_only=True, tag="discard_volume_copy"):
    """Remove what UploadVolume or CopyVolume has copied. Succeeds when there is nothing. image_id: or a backup's."""

    image_id: str


class ExportVolume(_VolumeCommand, frozen=True, kw_only=True, tag="export_volume"):
    """Serve the volume's file to the node `client_name`, and to no other node by this export.

    Exports that the volume has had for others end first, unless it is shareable.
    """

    disk_format: str
    export: VolumeExport
    client_name: str
    read_only: bool = False
    shareable: bool = False


class WithdrawExport(_VolumeCommand, frozen=True, kw_only=True, tag="withdraw_export"):
    """End an export: nobody reads or writes by it any more. Succeeds when there is none."""

    export_id: str


class TakeOverVolume(_VolumeCommand, frozen=True, kw_only=True, tag="take_over_volume"):
    """Make the volume's file anew with the bytes that it has elsewhere, and compare the two; nobody writes to it meanwhile.

    export: by which its present node serves it to this one; None: this node has it as source_format of source_backend, too.
    """

    disk_format: str
    source_format: str
    export: VolumeExport | None = None
    source_backend: str = ""
    size_gib: int = 0  # 0: an older scheduler, which knows of files only
    shareable: bool = False


class DiscardVolumeFile(_VolumeCommand, frozen=True, kw_only=True, tag="discard_volume_file"):
    """Remove a file that the volume is not, or not any more. Succeeds when there is none; others of the volume stay.

    export_id: of the export by which it was copied, which ends first. taken_over: only if TakeOverVolume has made it.
    """

    disk_format: str
    export_id: str = ""
    taken_over: bool = False


VolumeCommand = (
    EnsureVolume
    | EnsureVolumeAbsent
    | SnapshotVolume
    | EnsureVolumeSnapshotAbsent
    | ResizeVolume
    | RevertVolume
    | ReimageVolume
    | UploadVolume
    | CopyVolume
    | RestoreVolume
    | DiscardVolumeCopy
    | ExportVolume
    | WithdrawExport
    | TakeOverVolume
    | DiscardVolumeFile
)
