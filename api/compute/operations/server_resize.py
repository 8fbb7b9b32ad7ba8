"""Resizing and migrating servers: what is asked for is written together with the operation that brings it about."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from api.compute.operations import server_references
from api.compute.operations.quota_defaults import defaults
from api.compute.operations.server_actions import begun, check_node
from api.compute.operations.servers import check_not_locked, check_state
from api.request import Services
from common.context import RequestContext
from common.db import instances, node_life, nodes, resizes, server_migrations, volume_attachments, volumes
from common.db.models import Instance, VolumeAttachment
from common.db.server_migrations import MigrationType
from common.errors import Conflict, InvalidRequest
from common.hardware import reading
from common.ids import new_id
from common.states import Action, VmState
from common.volume_capabilities import FILES

_GIB = 1024**3


def resize(
    services: Services, context: RequestContext, server_id: str, flavor_id: str, disk_config: str | None
) -> None:
    """Begin it. Raises NotFound, InvalidRequest (flavor, and what image and flavor disagree about), Conflict,
    StateConflict, QuotaExceeded.
    """

    def work(session: Session) -> tuple[str, None]:
        instance = instances.get_visible(session, server_id, context)
        flavor = server_references.flavor_copy(server_references.flavor(session, flavor_id, context))
        if flavor["id"] == instance.flavor_id:
            raise InvalidRequest("When resizing, instances must change flavor!")
        reading.read(flavor, instance.image)
        _check_disks(instance, flavor)
        operation_id = _begin(session, services, context, instance, Action.RESIZE, flavor, {})
        if disk_config is not None:
            instances.get(session, instance.id).disk_config = disk_config
            session.flush()
        return operation_id, None

    begun(services, Action.RESIZE, work)


def migrate(services: Services, context: RequestContext, server_id: str, host: str | None) -> None:
    """Begin to move it to another node, by its name or as placement chooses. Raises as `resize`."""

    def work(session: Session) -> tuple[str, None]:
        instance = instances.get_visible(session, server_id, context)
        server_references.check_node(session, host)
        if host is not None and host == instance.node_name:
            raise InvalidRequest(f"The target host can't be the same one: server {instance.id} is on {host}.")
        if int(instance.flavor.get("ephemeral_gib", 0)):
            raise InvalidRequest(
                f"Server {instance.id} has an ephemeral disk, which stays on its node: it can't be migrated."
            )
        if any(_stays(session, row) for row in volume_attachments.of_instance(session, instance.id)):
            raise InvalidRequest(f"Server {instance.id} has volumes, which stay on its node: it can't be migrated.")
        params = {"requested_node": host} if host else {}
        return _begin(session, services, context, instance, Action.MIGRATE, dict(instance.flavor), params), None

    begun(services, Action.MIGRATE, work)


def _stays(session: Session, attachment: VolumeAttachment) -> bool:
    volume = volumes.get(session, attachment.volume_id)
    node = nodes.get(session, volume.node_id) if volume.node_id else None
    if attachment.node_name is None or node is None:
        return False
    return volume.backend == FILES and not node.inventory.get("shared_volumes")


def _begin(
    session: Session, services: Services, context: RequestContext, instance: Instance, action: Action,
    flavor: dict[str, Any], params: dict[str, Any],
) -> str:  # fmt: skip
    now = services.clock.now()
    check_not_locked(instance, context)
    check_node(session, instance, action, now)
    resizes.take_quota(session, instance, flavor, defaults(services.config.quota))
    state = VmState(instance.vm_state)
    operation = instances.begin(session, instance, action, context, now, {"image_id": new_id(), **params})
    fresh = instances.get(session, instance.id)
    fresh.resize = resizes.asked(flavor, state)
    kind = MigrationType.RESIZE if action == Action.RESIZE else MigrationType.MIGRATION
    server_migrations.begin(session, fresh, operation, kind, flavor, now)
    return operation.id


def _check_disks(instance: Instance, flavor: dict[str, Any]) -> None:
    """Disks grow, and never shrink: what is on them would be lost. Raises InvalidRequest."""
    if instance.image.get("volume_backed"):  # its root disk is a volume, whatever the flavor says
        return _check_ephemeral(instance, flavor)
    has = int(instance.flavor.get("root_gib", 0)) * _GIB or int(instance.image.get("virtual_size_bytes", 0))
    if int(flavor["root_gib"]) == 0 and int(instance.flavor.get("root_gib", 0)):
        raise InvalidRequest("Resize to flavor with zero-sized root disk is not allowed.")
    if int(flavor["root_gib"]) and int(flavor["root_gib"]) * _GIB < has:
        raise InvalidRequest(
            f"The root disk of server {instance.id} can't shrink: choose a flavor with at least as much."
        )
    return _check_ephemeral(instance, flavor)


def _check_ephemeral(instance: Instance, flavor: dict[str, Any]) -> None:
    if int(flavor["ephemeral_gib"]) < int(instance.flavor.get("ephemeral_gib", 0)):
        raise InvalidRequest(f"The ephemeral disk of server {instance.id} can't shrink or go.")


def end(services: Services, context: RequestContext, server_id: str, action: Action) -> None:
    """Confirm or revert a resize. Raises NotFound, InvalidRequest in Nova's words, Conflict, StateConflict."""

    def work(session: Session) -> tuple[str, None]:
        now = services.clock.now()
        instance = instances.get_visible(session, server_id, context)
        check_not_locked(instance, context)
        check_node(session, instance, action, now)
        if action == Action.REVERT_RESIZE:
            _check_old_node(session, instance, now)
        return instances.begin(session, instance, action, context, now).id, None

    begun(services, action, work)


def _check_old_node(session: Session, instance: Instance, now: Any) -> None:
    place = resizes.old_place(instance)
    if place is not None and node_life.is_down(session, place.node_id, now):
        raise Conflict(
            f"Cannot 'revertResize' instance {instance.id}: the host it was on is down. Try again when it is back, or "
            "confirm the resize."
        )


def refuse_live_migration(services: Services, context: RequestContext, server_id: str) -> None:
    """Raises NotFound, StateConflict, or InvalidRequest: servers are not moved while they run."""
    instance = _visible(services, context, server_id)
    check_state(instance, "os-migrateLive")
    raise InvalidRequest(
        f"Migration pre-check error: live migration is not supported by this cloud; server {server_id} can be "
        "migrated with the action migrate, for which it is switched off."
    )


def refuse_evacuation(services: Services, context: RequestContext, server_id: str, host: str | None) -> None:
    """Raises NotFound, StateConflict, InvalidRequest while the node is up, Conflict: servers are not evacuated."""
    instance = _visible(services, context, server_id)
    check_state(instance, "evacuate")
    with services.db.read() as session:
        server_references.check_node(session, host)
        node = nodes.get(session, instance.node_id) if instance.node_id else None
        up = node is not None and not node_life.is_down(session, node.id, services.clock.now())
    if up:
        raise InvalidRequest(f"Compute service of {instance.node_name} is still in use.")
    raise Conflict(
        f"Cannot 'evacuate' instance {server_id}: its disks are on its host only, and this cloud does not rebuild "
        "servers elsewhere. Delete it, or wait for the host."
    )


def _visible(services: Services, context: RequestContext, server_id: str) -> Instance:
    with services.db.read() as session:
        return instances.get_visible(session, server_id, context)
