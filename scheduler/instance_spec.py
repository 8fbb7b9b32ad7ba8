"""From rows to the one complete command an agent gets: the instance's spec with image, ports, rules and user data."""

from __future__ import annotations

import msgspec
from sqlalchemy.orm import Session

from common import volume_tuning
from common.config import Config
from common.db import network_state, nodes, volume_attachments, volume_exports, volume_types, volumes
from common.db.models import Instance, Volume, VolumeAttachment, VolumeExport
from common.errors import NoValidNode, StateConflict
from common.hardware import reading
from common.image_spec import image_spec
from common.rpc import volume_commands as rpc_commands
from common.rpc.compute_v1 import Guest, GuestFile, InstanceSpec
from common.rpc.disks_v1 import RescueSpec
from common.rpc.hardware_v1 import DiskTuning, GuestCell, GuestHardware
from common.rpc.volume_commands import VolumeDisk
from common.volume_capabilities import NBD
from common.volume_states import HELD_BY_GUEST


def build(
    session: Session, instance: Instance, config: Config, *, plugged: bool = True, with_volumes: bool = True
) -> InstanceSpec:
    """Everything the node needs; it never has to ask back.

    plugged and with_volumes False: the instance is known to have no port, or no volume.
    """
    version = network_state.version_of(session, instance.node_id) if plugged else 0
    ports, networks, groups = network_state.for_instance(session, instance.id) if plugged else ([], [], [])
    flavor = instance.flavor
    on_volume = bool(instance.image.get("volume_backed"))
    return InstanceSpec(
        id=instance.id,
        vcpus=int(flavor["vcpus"]),
        memory_mib=int(flavor["memory_mib"]),
        root_gib=0 if on_volume else int(flavor.get("root_gib", 0)),
        ephemeral_gib=int(flavor.get("ephemeral_gib", 0)),
        ephemeral_parts_gib=(instance.local_disks or {}).get("ephemeral_gib", []),
        swap_mib=_swap_mib(instance),
        image=None if on_volume else image_spec(instance.image, config),
        guest=_guest(instance),
        ports=ports,
        networks=networks,
        groups=groups,
        config_drive=instance.config_drive,
        network_version=version,
        evacuable=instance.node_id is not None and nodes.has_shared_instances(session, instance.node_id),
        rescue=_rescue(instance, config),
        volumes=_volumes(session, instance) if with_volumes else [],
        image_properties={str(key): str(value) for key, value in instance.image.get("properties", {}).items()},
        hardware=_hardware(session, instance),
    )


def _rescue(instance: Instance, config: Config) -> RescueSpec | None:
    wanted = instance.rescue
    if not wanted:
        return None
    image = image_spec(wanted["image"], config)
    return RescueSpec(image=image, kind=wanted["kind"], bus=wanted["bus"], first=bool(wanted["first"]))


def _swap_mib(instance: Instance) -> int:
    """As the request said, never more than the flavor has."""
    most = int(instance.flavor.get("swap_mib", 0))
    asked = (instance.local_disks or {}).get("swap_mib")
    return most if asked is None else min(most, int(asked))


def _hardware(session: Session, instance: Instance) -> GuestHardware:
    """With the place on the node's NUMA cells that the claim took, where flavor or image want one."""
    wanted = reading.read(instance.flavor, instance.image)
    if wanted.numa is None or instance.node_id is None:
        return wanted.guest
    taken = nodes.cells_of(session, instance.id, instance.node_id)
    if taken is None:
        raise NoValidNode(
            f"Server {instance.id} wants CPUs or memory of NUMA cells, and its claim on node {instance.node_name} has "
            "none: migrate or rebuild it, or resize it to a flavor without."
        )
    cells = [
        GuestCell(
            id=cell["id"], cpus=cell["cpus"], memory_mib=cell["memory_mib"], host_cell=cell["host_cell"],
            pins=cell["pins"],
        )
        for cell in taken["cells"]
    ]  # fmt: skip
    return msgspec.structs.replace(wanted.guest, cells=cells, page_kib=taken["page_kib"])


def _volumes(session: Session, instance: Instance) -> list[VolumeDisk]:
    """What is a disk of it: attached, and not only spoken for."""
    rows = [row for row in volume_attachments.of_instance(session, instance.id) if is_disk(row)]
    return [disk_of(session, volumes.get(session, row.volume_id), row) for row in rows]


def is_disk(row: VolumeAttachment) -> bool:
    return row.node_name is not None and row.status in HELD_BY_GUEST


def disk_of(session: Session, volume: Volume, attachment: VolumeAttachment) -> VolumeDisk:
    export = volume_exports.of_attachment(session, attachment.id) if volume.backend == NBD else None
    return VolumeDisk(
        id=volume.id, disk_format=volume.disk_format, device=attachment.device or "",
        read_only=attachment.mode == "ro", shareable=volume.multiattach, bus=attachment.bus,
        is_cdrom=attachment.device_type == "cdrom", boots=attachment.boot_index == 0, tag=attachment.tag or "",
        export=export_of(session, export) if export else None, tuning=_tuning(session, volume),
        backend=volume.backend,
    )  # fmt: skip


def _tuning(session: Session, volume: Volume) -> DiskTuning | None:
    qos = volume_types.qos_of(session, volume.volume_type_id)
    if qos is None or qos.consumer == volume_tuning.BACK_END:
        return None
    return volume_tuning.of_specs(qos.specs, volume.size_gib)


def export_of(session: Session, export: VolumeExport) -> rpc_commands.VolumeExport:
    """How the node that it is for reaches it. Raises StateConflict when the node that has the volume serves none now."""
    node = nodes.get(session, export.node_id)
    address = node.inventory.get("nbd_address") if node else None
    if node is None or not address:
        raise StateConflict(
            f"The node that has volume {export.volume_id} serves no volumes over NBD: its [storage] nbd_cert_file is unset."
        )
    return rpc_commands.VolumeExport(id=export.id, address=address, port=export.port, server_name=node.name)


def _guest(instance: Instance) -> Guest:
    keys = {instance.key_name: instance.public_key} if instance.key_name and instance.public_key else {}
    return Guest(
        hostname=instance.hostname,
        name=instance.name,
        project_id=instance.project_id,
        user_data_b64=instance.user_data,
        public_keys=keys,
        metadata={str(key): str(value) for key, value in instance.properties.items()},
        availability_zone=instance.availability_zone or "nova",
        launch_index=instance.launch_index,
        reservation_id=instance.reservation_id,
        instance_type=str(instance.flavor.get("name", "")),
        image_id=instance.image_id or "",
        files=[GuestFile(path=each["path"], contents_b64=each["contents"]) for each in instance.injected_files],
    )
