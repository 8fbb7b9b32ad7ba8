"""Servers read and edited: lists, show, update; creation and actions have files of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy.orm import Session

from api.request import Services
from common.context import RequestContext
from common.db import instances, network_state, ports, server_groups, servers, volume_attachments
from common.db.models import Instance, VolumeAttachment
from common.db.paging import Page
from common.db.ports import InstanceAddress
from common.db.servers import Host, ServerFilter
from common.errors import Conflict, StateConflict
from common.states import IMMEDIATE


@dataclass(frozen=True)
class ServerPage:
    """Servers with what their views need, by instance id (hosts: by node id)."""

    instances: Sequence[Instance]
    addresses: Mapping[str, Sequence[InstanceAddress]]
    groups: Mapping[str, Sequence[str]]
    hosts: Mapping[str, Host]
    server_groups: Mapping[str, Sequence[str]] = field(default_factory=dict)  # of one that is shown by itself
    volumes: Mapping[str, Sequence[VolumeAttachment]] = field(default_factory=dict)


def list_summary(services: Services, wanted: ServerFilter, page: Page) -> ServerPage:
    with services.db.read() as session:
        return ServerPage(servers.list_page(session, wanted, page), {}, {}, {})


def list_detail(services: Services, wanted: ServerFilter, page: Page, *, whole: bool) -> ServerPage:
    """Five statements, however many servers there are. whole: with hints and what was copied from the image."""
    with services.db.read() as session:
        return with_surroundings(session, servers.list_page(session, wanted, page, whole=whole))


def show(services: Services, context: RequestContext, server_id: str) -> ServerPage:
    """Raises NotFound."""
    with services.db.read() as session:
        return _alone(session, instances.get_visible(session, server_id, context))


def check_there(services: Services, context: RequestContext, server_id: str) -> None:
    """Raises NotFound, for a stranger's server too: to be asked before a request is refused for another reason."""
    with services.db.read() as session:
        instances.get_visible(session, server_id, context)


def _alone(session: Session, instance: Instance) -> ServerPage:
    page = with_surroundings(session, [instance])
    if not (instance.scheduler_hints or {}).get("group"):
        return page
    return replace(page, server_groups=server_groups.of_instances(session, [instance.id]))


def with_surroundings(session: Session, found: Sequence[Instance]) -> ServerPage:
    ids = [row.id for row in found]
    node_ids = sorted({row.node_id for row in found if row.node_id})
    addresses = ports.info_for_instances(session, ids)
    return ServerPage(
        instances=found,
        addresses=addresses,
        groups=servers.security_group_names(session, addresses),
        hosts=servers.hosts(session, node_ids) if node_ids else {},
        volumes=volume_attachments.of_instances(session, ids) if ids else {},
    )


def update(services: Services, context: RequestContext, server_id: str, changes: Mapping[str, Any]) -> ServerPage:
    """Write name, description, hostname, access addresses, disk_config or zone. Raises NotFound, Conflict."""

    def work(session: Session) -> ServerPage:
        instance = servers.get_for_update(session, server_id, context)
        renamed = changes.get("hostname", instance.hostname) != instance.hostname
        if "availability_zone" in changes:
            _check_pin(session, instance, changes["availability_zone"])
        for key, value in changes.items():
            setattr(instance, key, value)
        instance.updated_at = services.clock.now()
        session.flush()
        if renamed:  # its networks' DNS is to answer to the new name
            network_state.touch_for_networks(
                session, {row.network_id for row in ports.for_instance(session, server_id)}
            )
        return _alone(session, instance)

    return services.db.run(work)


def _check_pin(session: Session, instance: Instance, zone: str | None) -> None:
    """A server is pinned to the zone where it is, or to none. Raises Conflict."""
    if zone is None or zone == instance.availability_zone:
        return
    if instance.availability_zone is not None:
        raise Conflict(
            f"Server {instance.id} is pinned to availability zone {instance.availability_zone}: unpin it first (null)."
        )
    there = servers.hosts(session, [instance.node_id]).get(instance.node_id) if instance.node_id else None
    if there is None or there.availability_zone != zone:
        raise Conflict(
            f"Server {instance.id} is in availability zone {there.availability_zone if there else 'none'}, and can't be "
            f"pinned to {zone[:255]}."
        )


def edit(
    services: Services, context: RequestContext, server_id: str, change: Callable[[Session, Instance], None]
) -> None:
    """Let `change` edit the locked row of an unlocked server. Raises NotFound, Conflict for a locked server."""

    def work(session: Session) -> None:
        instance = servers.get_for_update(session, server_id, context)
        check_not_locked(instance, context)
        change(session, instance)
        instance.updated_at = services.clock.now()

    services.db.run(work)


def check_not_locked(instance: Instance, context: RequestContext) -> None:
    """A locked server is changed by administrators only. Raises Conflict."""
    if instance.locked and not context.is_admin:
        raise Conflict(f"Instance {instance.id} is locked", locked_reason=instance.locked_reason or "")


def check_state(instance: Instance, asked: str) -> None:
    """For what is answered at once (common.states.IMMEDIATE). Raises StateConflict, in Nova's words."""
    if instance.vm_state not in IMMEDIATE[asked]:
        raise StateConflict(
            f"Cannot '{asked}' instance {instance.id} while it is in vm_state {instance.vm_state}",
            vm_state=instance.vm_state,
        )
    if instance.task_state is not None:
        raise StateConflict(
            f"Cannot '{asked}' instance {instance.id} while it is in task_state {instance.task_state}",
            task_state=instance.task_state,
        )
