"""The security groups of a server: those on its ports, added to and removed from all of them at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from api.compute.operations.servers import check_not_locked
from api.request import Services
from common.context import RequestContext
from common.db import instances, ports, security_groups, servers
from common.db.models import Instance, SecurityGroup, SecurityGroupRule
from common.errors import InvalidRequest, NotFound


@dataclass(frozen=True)
class GroupWithRules:
    group: SecurityGroup
    rules: Sequence[SecurityGroupRule]
    remote_names: dict[str, str]  # group id -> name, of the groups that rules name as remote


def list_of(services: Services, context: RequestContext, server_id: str) -> list[GroupWithRules]:
    """The groups on the server's ports with their rules. Raises NotFound."""
    with services.db.read() as session:
        instances.get_visible(session, server_id, context)
        groups = servers.security_groups(session, [server_id])
        rules = security_groups.rules_of(session, [group.id for group in groups])
        names = {group.id: group.name for group in groups}
        return [GroupWithRules(group, rules[group.id], names) for group in groups]


def add(services: Services, context: RequestContext, server_id: str, name: str) -> None:
    """Put a group of the server's project on all its ports. Raises NotFound, InvalidRequest, Conflict."""

    def work(session: Session) -> None:
        instance = _changeable(session, context, server_id)
        group_id = _group(session, instance, name)
        now = services.clock.now()
        found = ports.for_instance(session, instance.id)
        filtered = [port for port in found if port.port_security_enabled]
        if not filtered:
            raise InvalidRequest(f"Server {server_id} has no port that a security group could be added to.")
        have = ports.groups_for(session, [port.id for port in filtered])
        for port in filtered:
            ports.set_groups(session, port, [*have.get(port.id, []), group_id], now)

    services.db.run(work)


def remove(services: Services, context: RequestContext, server_id: str, name: str) -> None:
    """Take a group from all ports of the server. Raises NotFound for the server, the group, or when it isn't there."""

    def work(session: Session) -> None:
        instance = _changeable(session, context, server_id)
        group_id = _group(session, instance, name)
        now = services.clock.now()
        found = ports.for_instance(session, instance.id)
        have = ports.groups_for(session, [port.id for port in found])
        holders = [port for port in found if group_id in have.get(port.id, [])]
        if not holders:
            raise NotFound(f"Security group {name} not associated with the instance {server_id}")
        for port in holders:
            ports.set_groups(session, port, [other for other in have[port.id] if other != group_id], now)

    services.db.run(work)


def _changeable(session: Session, context: RequestContext, server_id: str) -> Instance:
    instance = servers.get_for_update(session, server_id, context)
    check_not_locked(instance, context)
    return instance


def _group(session: Session, instance: Instance, name: str) -> str:
    found = security_groups.by_names(session, instance.project_id, [name])[name]
    if not found:
        raise NotFound(f"Security group {name} not found for project {instance.project_id}.")
    if len(found) > 1:
        raise InvalidRequest(f"Multiple security groups found matching '{name}'. Use an ID to be more specific.")
    return found[0]
