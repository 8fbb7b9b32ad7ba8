"""Another type for a volume, or another node or back end: what is refused at once, and the operation that does it."""

from __future__ import annotations

from typing import NoReturn

from sqlalchemy.orm import Session

from api.request import Services
from api.volume.operations.begun import begun
from api.volume.operations.type_of_volume import refuse_encrypted
from api.volume.operations.volume_create import take_quota
from common.context import RequestContext
from common.db import (
    nodes,
    volume_attachments,
    volume_moves,
    volume_quota,
    volume_services,
    volume_snapshots,
    volume_types,
    volumes,
)
from common.db.models import Node, Volume, VolumeType
from common.errors import InvalidRequest, NotFound
from common.volume_capabilities import RBD, asks_for
from common.volume_states import VolumeAction, VolumeStatus

_RAW = "raw"


def retype(services: Services, context: RequestContext, volume_id: str, asked: str, *, on_demand: bool) -> None:
    """Begin to give it another type. on_demand: it may move to another back end or node for that.

    Raises NotFound, InvalidRequest, QuotaExceeded (413).
    """

    def work(session: Session) -> tuple[str, None]:
        volume = volumes.get_visible(session, volume_id, context)
        kind = _new_type(session, context, volume, asked)
        taken = volume_quota.of_volume(
            volume.size_gib, [row.size_gib for row in volume_snapshots.of_volume(session, volume.id)]
        )
        take_quota(session, volume.project_id, volume_quota.only_of_type(taken, kind.id), services)
        params = {"type_id": kind.id, "on_demand": on_demand, "taken": taken}
        return volumes.begin(session, volume, VolumeAction.RETYPE, context, services.clock.now(), params).id, None

    begun(services, "volume_retype", work)


def _new_type(session: Session, context: RequestContext, volume: Volume, asked: str) -> VolumeType:
    try:
        kind = volume_types.find_visible(session, asked, context)
    except NotFound as err:
        raise InvalidRequest(f"Invalid input received: Invalid volume_type passed: {asked[:64]}.") from err
    if kind.id == volume.volume_type_id:
        raise InvalidRequest(f"Invalid input received: New volume_type same as original: {kind.id}.")
    refuse_encrypted(session, kind)
    if volume.group_id is not None:
        raise InvalidRequest(f"Invalid volume: Volume {volume.id} is part of group {volume.group_id}.")
    if volume.status != VolumeStatus.IN_USE:
        return kind
    if asks_for(kind.extra_specs, "multiattach") != volume.multiattach:
        raise InvalidRequest(
            f"Invalid volume: Volume {volume.id} is attached: whether it is for several servers can't change now."
        )
    if _of_servers(session, kind.id) != _of_servers(session, volume.volume_type_id):
        raise InvalidRequest(
            f"Invalid volume: Volume {volume.id} is attached: its front-end QoS specs can't change now; detach it first."
        )
    return kind


def _of_servers(session: Session, type_id: str | None) -> str | None:
    """The QoS specs of a type that hold at the server."""
    specs = volume_types.qos_of(session, type_id)
    return specs.id if specs is not None and specs.consumer != "back-end" else None


def migrate(services: Services, context: RequestContext, volume_id: str, host: str, *, copied: bool) -> None:
    """Begin to move it to another node or back end. copied: it must be by a copy of the bytes.

    Raises NotFound, InvalidRequest.
    """

    def work(session: Session) -> tuple[str, None]:
        volume = volumes.get_for_update(session, volume_id, context)
        wanted, _, _ = host.partition("#")
        _check_host(session, volume, wanted)
        _check_volume(session, volume)
        _check_way(session, volume, volume_services.node_of(wanted), copied=copied)
        now = services.clock.now()
        operation = volumes.begin(session, volume, VolumeAction.MIGRATE, context, now, {"host": wanted})
        volume_moves.set_migration_status(session, volume.id, "migrating")
        return operation.id, None

    begun(services, "volume_migrate", work)


def _check_host(session: Session, volume: Volume, host: str) -> None:
    known = [(pool.node_name, pool.backend) for pool in volume_services.pools(session) if pool.enabled]
    if host not in {volume_services.host_of(*each) for each in known} | {node for node, _ in known}:
        raise InvalidRequest(f"Invalid host: No available service named '{host[:80]}'.")
    here = volume.node_name or ""
    if host in (here, volume_services.host_of(here, volume.backend)):
        raise InvalidRequest("Invalid host: Destination host must be different than the current host.")


def _check_volume(session: Session, volume: Volume) -> None:
    if volume_attachments.of_volume(session, volume.id):
        raise InvalidRequest(f"Invalid volume: Volume {volume.id} is attached to a server: detach it to have it moved.")
    if volumes.has_snapshots(session, volume.id) or volume.group_id is not None:
        raise InvalidRequest(
            f"Invalid volume: Volume {volume.id} must have no snapshots and be in no group to be migrated."
        )


def _check_way(session: Session, volume: Volume, node_name: str, *, copied: bool) -> None:
    """Between nodes that don't see one folder, both need what volumes are served with."""
    here, there = nodes.by_name(session, volume.node_name or ""), nodes.by_name(session, node_name)
    if here is None or there is None or here.id == there.id:
        return
    if volume.backend == RBD:
        _check_reach(session, volume, there)
        return
    if all(node.inventory.get("shared_volumes") for node in (here, there)):
        if copied:
            raise InvalidRequest(
                f"Invalid input received: force_host_copy: nodes {here.name} and {there.name} see one folder of volumes."
            )
        return
    for node in (here, there):
        _check_certificate(volume, node)


def _check_reach(session: Session, volume: Volume, node: Node) -> None:
    if node.id not in nodes.reaching(session, RBD):
        raise InvalidRequest(
            f"Invalid volume: Volume {volume.id} is in a Ceph pool, which node {node.name} does not reach: rbd is not among"
            " its [storage] volume_backends."
        )


def _check_certificate(volume: Volume, node: Node) -> None:
    if not node.inventory.get("nbd_address"):
        raise InvalidRequest(
            f"Invalid volume: Volume {volume.id} can't be copied between nodes: node {node.name} neither serves volumes nor"
            " reaches those of others; set its [storage] nbd_cert_file."
        )


def complete(services: Services, context: RequestContext, volume_id: str, new_volume_id: str) -> NoReturn:
    """What a driver of others says when it has moved a volume by itself; here no second volume is ever made.

    Raises NotFound, InvalidRequest.
    """
    with services.db.read() as session:
        for each in (volume_id, new_volume_id):
            volumes.get_visible(session, each, context)
    raise InvalidRequest(
        f"Invalid volume: Volume {volume_id} is in no migration that another volume could complete: migrations complete by"
        " themselves."
    )
