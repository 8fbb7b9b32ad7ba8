"""The volumes of a server, for os-volume_attachments: shown, attached and detached.

A volume's file is on one node, unless all nodes see the folder: a server elsewhere is told so instead of being attached.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn

from sqlalchemy.orm import Session

from api.compute.operations.server_actions import begun, check_node
from api.compute.operations.servers import check_not_locked
from api.request import Services
from common.context import RequestContext
from common.db import device_operations, instances, nodes, servers, volume_attachments, volumes
from common.db.models import Instance, Node, Volume, VolumeAttachment
from common.errors import Conflict, Forbidden, InvalidRequest, NotFound
from common.ids import new_id
from common.states import Action, VmState
from common.volume_capabilities import NBD, RBD
from common.volume_states import BY_ATTACHMENTS, AttachStatus, VolumeStatus

MOST = 25  # disks that a guest has room for
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, kw_only=True)
class NewAttachment:
    volume_id: str
    device: str | None = None  # accepted and chosen anew, as Nova's libvirt driver does
    tag: str | None = None
    delete_on_termination: bool = False
    multiattach: bool = True  # the client knows of volumes for several servers


def list_all(services: Services, context: RequestContext, server_id: str) -> Sequence[VolumeAttachment]:
    """Raises NotFound."""
    with services.db.read() as session:
        instances.get_visible(session, server_id, context)
        return volume_attachments.of_instance(session, server_id)


def show(services: Services, context: RequestContext, server_id: str, volume_id: str) -> VolumeAttachment:
    """Raises NotFound for the server, or a volume that it doesn't have."""
    with services.db.read() as session:
        instances.get_visible(session, server_id, context)
        return _of(session, server_id, volume_id)


def attach(services: Services, context: RequestContext, server_id: str, wanted: NewAttachment) -> VolumeAttachment:
    """Begin to give the server a volume as a disk. Raises NotFound, InvalidRequest, Conflict, StateConflict."""

    def work(session: Session) -> tuple[str, VolumeAttachment]:
        now = services.clock.now()
        instance = _changeable(session, context, server_id, Action.ATTACH_VOLUME, now)
        volume = volumes.get_for_update(session, wanted.volume_id, context)
        there = volume_attachments.of_instance(session, instance.id)
        if any(row.volume_id == volume.id for row in there):
            raise InvalidRequest(f"volume {volume.id} already attached")
        if volume.multiattach and not wanted.multiattach:
            raise InvalidRequest("Multiattach volumes are only supported starting with compute API version 2.60.")
        if volume.multiattach and instance.vm_state == VmState.SHELVED_OFFLOADED:
            raise InvalidRequest("Attaching multiattach volumes is not supported for shelved-offloaded instances.")
        _check_reachable(session, instance, volume, there)
        reserve(session, volume, VolumeStatus.ATTACHING, now)
        row = volume_attachments.add(session, _row(instance, volume, wanted, there), now)
        params = {"attachment_id": row.id, "device": row.device}
        begin = device_operations.begin
        operation_id = begin(session, instance, Action.ATTACH_VOLUME, volume.id, context, now, params)
        return operation_id, row

    return begun(services, Action.ATTACH_VOLUME, work)


def detach(services: Services, context: RequestContext, server_id: str, volume_id: str) -> None:
    """Begin to take a volume from the server. Raises NotFound, InvalidRequest, Conflict, StateConflict."""

    def work(session: Session) -> tuple[str, None]:
        now = services.clock.now()
        instance = _changeable(session, context, server_id, Action.DETACH_VOLUME, now)
        row = _of(session, instance.id, volume_id)
        if row.boot_index == 0:
            raise Conflict(f"Volume {volume_id} is what server {server_id} boots from; it can't be detached.")
        volume = volumes.get_for_update(session, row.volume_id, context)
        if row.node_name is None:
            raise InvalidRequest(f"Volume {volume.id} was not attached to the server by the compute service.")
        attached = (AttachStatus.ATTACHED, AttachStatus.ERROR_DETACHING)
        if not volume_attachments.move(session, row.id, attached, AttachStatus.DETACHING, now):
            raise InvalidRequest(
                f"Invalid volume: Invalid input received: Volume {volume.id} must be attached in order to detach, but its"
                f" attachment is {row.status}."
            )
        volumes.settle(session, volume.id, now)
        params = {"attachment_id": row.id, "device": row.device}
        begin = device_operations.begin
        return begin(session, instance, Action.DETACH_VOLUME, volume.id, context, now, params), None

    begun(services, Action.DETACH_VOLUME, work)


def refuse_swap(services: Services, context: RequestContext, server_id: str, volume_id: str) -> NoReturn:
    """As Nova does for whoever is not its block storage service. Raises NotFound, Forbidden, Conflict.

    Source: Nova's release note on bug 2112187: a direct swap leaves the guest with the serial of the other volume.
    """
    show(services, context, server_id, volume_id)
    if "service" not in context.roles:
        raise Forbidden("Policy doesn't allow os_compute_api:os-volumes-attachments:swap to be performed.")
    raise Conflict(
        f"volume {volume_id} is not migrating; this API should only be called by Cinder: attach the other volume, copy in the"
        " guest, detach this one."
    )


def set_delete_on_termination(
    services: Services, context: RequestContext, server_id: str, volume_id: str, wanted: bool
) -> None:
    """Raises NotFound."""

    def work(session: Session) -> None:
        instances.get_visible(session, server_id, context)
        row = _of(session, server_id, volume_id)
        volume_attachments.change(session, row.id, delete_on_termination=wanted)

    services.db.run(work)


def _of(session: Session, server_id: str, volume_id: str) -> VolumeAttachment:
    row = volume_attachments.find(session, server_id, volume_id)
    if row is None:
        raise NotFound(f"Instance {server_id} is not attached to volume {volume_id[:64]}")
    return row


def _changeable(session: Session, context: RequestContext, server_id: str, action: Action, now: datetime) -> Instance:
    """The server's row, held. Raises NotFound, Conflict for one that is locked or whose node is down."""
    instance = servers.get_for_update(session, server_id, context)
    check_not_locked(instance, context)
    check_node(session, instance, action, now)
    return instance


def _check_reachable(session: Session, instance: Instance, volume: Volume, there: Sequence[VolumeAttachment]) -> None:
    """A server that has left its node goes to where its volumes are: all of them. Raises Conflict."""
    if volume.backend == NBD:
        _check_serves(session, instance, volume)
        return
    if volume.backend == RBD:
        _check_pool(session, instance, volume)
        return
    if volume.node_id is None or volume.node_id == instance.node_id:
        return
    if instance.node_id is None:
        others = {volumes.get(session, row.volume_id).node_id for row in there if row.node_name is not None}
        if others <= {None, volume.node_id}:
            return
    node = nodes.get(session, volume.node_id)
    if node is not None and node.inventory.get("shared_volumes"):
        return
    raise Conflict(
        f"Volume {volume.id} is on another node than server {instance.id}, and nodes do not share their volumes:"
        " make the server where the volume is, or set [storage] volumes_shared with a folder that all nodes see."
    )


def _check_serves(session: Session, instance: Instance, volume: Volume) -> None:
    """Both ends need a certificate; a server that is on no node goes to one that has. Raises Conflict."""
    for node_id in (volume.node_id, instance.node_id):
        node = nodes.get(session, node_id) if node_id else None
        if node is not None:
            check_certificate(volume, node)


def _check_pool(session: Session, instance: Instance, volume: Volume) -> None:
    """A server that is on no node goes to one that reaches the pool. Raises Conflict."""
    if instance.node_id is not None and instance.node_id not in nodes.reaching(session, RBD):
        raise Conflict(
            f"Volume {volume.id} is in a Ceph pool, which node {instance.node_name} does not reach: rbd is not among its"
            " [storage] volume_backends."
        )


def check_certificate(volume: Volume, node: Node) -> None:
    """The node can serve the volume, or have it served. Raises Conflict."""
    if not node.inventory.get("nbd_address"):
        raise Conflict(
            f"Volume {volume.id} is served over NBD, and node {node.name} has no certificate for that: set [storage]"
            " nbd_cert_file there."
        )


def reserve(session: Session, volume: Volume, to: VolumeStatus, now: datetime) -> None:
    """The volume is spoken for. Raises InvalidRequest when it can't be."""
    others = [row for row in volume_attachments.of_volume(session, volume.id) if row.node_name is not None]
    if others and not volume.multiattach:  # whatever the status says: an administrator may have reset it
        raise InvalidRequest(
            f"Invalid input received: Invalid volume: Volume {volume.id} is a disk of server {others[0].instance_id}, or"
            " may be; detach it there."
        )
    if volumes.set_status(session, volume.id, (VolumeStatus.AVAILABLE,), to, now):
        return
    if volume.multiattach and volume.status in BY_ATTACHMENTS:
        return
    raise InvalidRequest(
        f"Invalid input received: Invalid volume: Volume {volume.id} status must be available or downloading to reserve,"
        f" but the current status is {volume.status}."
    )


def _row(
    instance: Instance, volume: Volume, wanted: NewAttachment, there: Sequence[VolumeAttachment]
) -> dict[str, object]:
    return {
        "id": new_id(), "volume_id": volume.id, "project_id": volume.project_id, "instance_id": instance.id,
        "status": AttachStatus.ATTACHING, "mode": "ro" if volume.read_only else "rw",
        "device": _free_device(instance, there), "tag": wanted.tag,
        "delete_on_termination": wanted.delete_on_termination, "node_name": instance.node_name or "",
        "connector": {"host": instance.node_name, "instance": instance.id},
    }  # fmt: skip


def _free_device(instance: Instance, there: Sequence[VolumeAttachment]) -> str:
    """The first name after the server's own disks. Raises Conflict when there is none."""
    flavor = instance.flavor
    parts = (instance.local_disks or {}).get("ephemeral_gib")
    ephemeral = len(parts) if parts else bool(flavor.get("ephemeral_gib"))
    own = 1 + ephemeral + bool(flavor.get("swap_mib")) + bool(instance.config_drive)
    taken = {row.device for row in there}
    free = [f"vd{letter}" for letter in _LETTERS[own:MOST] if f"vd{letter}" not in taken]
    if not free:
        raise Conflict(f"Server {instance.id} has no room for another disk.")
    return free[0]
