"""What the calls about role assignments mean."""

from __future__ import annotations

import logging
from dataclasses import replace

from sqlalchemy.orm import Session

from api.identity.operations.access import check_manage, check_read, hiding, refused
from api.request import Services
from common import log
from common.context import RequestContext
from common.db import assignment_lists, assignments, domains, groups, projects, roles, users
from common.db.assignment_lists import Filters, Listed
from common.db.assignments import Actor, Target
from common.db.models import Role
from common.errors import InvalidRequest, NotFound

logger = logging.getLogger(__name__)
#: what a domain's manager may hand out: nothing above itself
MANAGED_ROLES = ("manager", "member", "reader")


def grant(services: Services, context: RequestContext, actor: Actor, role_id: str, target: Target) -> None:
    """Idempotent. Raises NotFound for actor, role or target; Forbidden."""

    def work(session: Session) -> None:
        _check_change(session, context, actor, role_id, target, "create_grant")
        assignments.add(session, actor, role_id, target)

    services.db.run(work)
    _log("role.granted", context, actor, role_id, target)


def revoke(services: Services, context: RequestContext, actor: Actor, role_id: str, target: Target) -> None:
    """Tokens lose the role at their next request. Raises NotFound, also when there is no such assignment; Forbidden."""

    def work(session: Session) -> None:
        _check_change(session, context, actor, role_id, target, "revoke_grant")
        if not assignments.remove(session, actor, role_id, target):
            raise _not_assigned(actor, role_id, target)

    services.db.run(work)
    _log("role.revoked", context, actor, role_id, target)


def check(services: Services, context: RequestContext, actor: Actor, role_id: str, target: Target) -> None:
    """Raises NotFound when the role isn't assigned on exactly this target; Forbidden."""
    with services.db.read() as session:
        with hiding(context, "check_grant"):
            involved = _domains_of(session, actor, target)
            role = roles.get(session, role_id)
        _check_seen(context, "check_grant", target, involved)
        if role.domain_id and not context.reads_all and role.domain_id != context.domain_id:
            raise refused("check_grant")
        if not assignments.exists(session, actor, role_id, target):
            raise _not_assigned(actor, role_id, target)


def roles_on(services: Services, context: RequestContext, actor: Actor, target: Target) -> list[Role]:
    """Raises NotFound for actor or target; Forbidden."""
    with services.db.read() as session:
        with hiding(context, "list_grants"):
            involved = _domains_of(session, actor, target)
        _check_seen(context, "list_grants", target, involved)
        return assignments.roles_on(session, actor, target)


def list_assignments(services: Services, context: RequestContext, filters: Filters) -> list[Listed]:
    """A domain's token shows what is on the domain and its projects. Raises InvalidRequest, Forbidden, NotFound."""
    if filters.domain_id is not None and (filters.project_id is not None or filters.system):
        raise InvalidRequest("Specify one of domain, project and system, not more.")
    if filters.effective and filters.group_id is not None:
        raise InvalidRequest("Combining effective and group filter will always result in an empty list.")
    with services.db.read() as session:
        if filters.below:
            if filters.project_id is None:
                raise InvalidRequest("scope.project.id must be specified if include_subtree is also specified")
            with hiding(context, "list_role_assignments_for_tree"):
                project = projects.get(session, filters.project_id)
            check_read(context, "list_role_assignments_for_tree", project.domain_id)
        return assignment_lists.listed(session, replace(filters, within=context.domain_id))


def _check_change(
    session: Session, context: RequestContext, actor: Actor, role_id: str, target: Target, key: str
) -> None:
    """A domain's manager may give and take the lesser roles within its domain, to its domain's users and groups."""
    with hiding(context, key):
        involved = _domains_of(session, actor, target)
        role = roles.get(session, role_id)
    if context.is_admin:
        return
    check_manage(context, key, *involved)
    if target.kind == "system" or role.domain_id or role.name.lower() not in MANAGED_ROLES:
        raise refused(key)


def _check_seen(context: RequestContext, key: str, target: Target, involved: tuple[str, ...]) -> None:
    if target.kind == "system" and not context.reads_all:
        raise refused(key)
    check_read(context, key, *involved)


def _domains_of(session: Session, actor: Actor, target: Target) -> tuple[str, ...]:
    """The domains of actor and target. Raises NotFound for either."""
    holder = groups.get(session, actor.id) if actor.kind == "group" else users.get(session, actor.id)
    actors = holder.domain_id
    if target.kind == "project":
        return (actors, projects.get(session, target.id).domain_id)
    if target.kind == "domain":
        return (actors, domains.get(session, target.id).id)
    return (actors,)


def _not_assigned(actor: Actor, role_id: str, target: Target) -> NotFound:
    return NotFound(
        f"Could not find role assignment with role: {role_id}, user or group: {actor.id}, "
        f"project, domain, or system: {target.id}."
    )


def _log(event: str, context: RequestContext, actor: Actor, role_id: str, target: Target) -> None:
    log.event(
        logger,
        event,
        to=actor.kind,
        actor_id=actor.id,
        role_id=role_id,
        on=target.kind,
        target_id=target.id,
        by=context.user_id,
    )
