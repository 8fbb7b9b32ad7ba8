"""What the calls about roles and their inference rules mean."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from api.identity.bodies import check_immutable
from api.identity.operations.access import refused
from api.identity.operations.assignments import MANAGED_ROLES
from api.request import Services
from common import log
from common.context import RequestContext
from common.db import domains, roles
from common.db.models import Role
from common.db.paging import Page
from common.errors import NotFound

logger = logging.getLogger(__name__)


def list_roles(services: Services, context: RequestContext, filters: Mapping[str, Any], page: Page) -> list[Role]:
    """Global roles, unless a domain's are asked for. Raises Forbidden."""
    if "domain_id" in filters:
        if not context.reads_all or context.domain_id is not None:
            raise refused("list_domain_roles")
    elif not (context.reads_all or _manages_domain(context)):
        raise refused("list_roles")
    with services.db.read() as session:
        return roles.page(session, {"domain_id": roles.GLOBAL, **filters}, page)


def show(services: Services, context: RequestContext, role_id: str) -> Role:
    """Raises NotFound, Forbidden."""
    with services.db.read() as session:
        role = roles.get(session, role_id)
    if role.domain_id:
        allowed = context.reads_all and context.domain_id is None
    else:
        managed = "manager" in context.roles and role.name.lower() in MANAGED_ROLES
        allowed = context.reads_all or managed
    if not allowed:
        raise refused("get_domain_role" if role.domain_id else "get_role")
    return role


def _manages_domain(context: RequestContext) -> bool:
    return context.domain_id is not None and "manager" in context.roles


def create(services: Services, given: Mapping[str, Any]) -> Role:
    """Raises NotFound (domain), AlreadyExists."""
    domain_id = given.get("domain_id")
    values = {"description": None, "options": {}, **given, "domain_id": domain_id or roles.GLOBAL}

    def work(session: Session) -> Role:
        if domain_id:
            domains.get(session, domain_id)
        return roles.create(session, values)

    return services.db.run(work)


def update(services: Services, context: RequestContext, role_id: str, given: dict[str, Any]) -> Role:
    """Raises NotFound, AlreadyExists, Forbidden, also for an immutable role."""

    def work(session: Session) -> Role:
        role = _changeable(session, context, role_id, "update")
        changes = check_immutable(given, {"id": role.id, "domain_id": role.domain_id or None})
        roles.update(session, role, changes)
        return role

    return services.db.run(work)


def delete(services: Services, context: RequestContext, role_id: str) -> None:
    """Raises NotFound, Forbidden, also for an immutable role."""
    services.db.run(lambda session: roles.delete(session, _changeable(session, context, role_id, "delete")))


def _changeable(session: Session, context: RequestContext, role_id: str, verb: str) -> Role:
    """Roles are no secret: Keystone says that one isn't there before it says who may change it."""
    role = roles.get(session, role_id)
    key = f"{verb}_domain_role" if role.domain_id else f"{verb}_role"
    if not context.is_admin or context.domain_id is not None:
        raise refused(key)
    return role


def inferences(services: Services) -> list[tuple[Role, Role]]:
    """Every rule, as prior and implied role."""
    with services.db.read() as session:
        return roles.inferences(session)


def implied_by(services: Services, prior_id: str) -> tuple[Role, list[Role]]:
    """The prior role and what it implies directly. Raises NotFound."""
    with services.db.read() as session:
        prior = roles.get(session, prior_id)
        return prior, [implied for _, implied in roles.inferences(session, prior_id)]


def implication(services: Services, prior_id: str, implied_id: str) -> tuple[Role, Role]:
    """Raises NotFound for either role, and when the one doesn't imply the other."""
    with services.db.read() as session:
        found = roles.get(session, prior_id), roles.get(session, implied_id)
        if not roles.implies(session, prior_id, implied_id):
            raise NotFound(f"{prior_id} does not imply {implied_id}.")
        return found


def imply(services: Services, prior_id: str, implied_id: str) -> tuple[Role, Role]:
    """Idempotent; counts at the next request. Raises NotFound, InvalidRequest for a circle, Forbidden for admin."""

    def work(session: Session) -> tuple[Role, Role]:
        prior, implied = roles.get(session, prior_id), roles.get(session, implied_id)
        roles.add_inference(session, prior, implied)
        return prior, implied

    found = services.db.run(work)
    log.event(logger, "role.implied", prior_role_id=prior_id, implied_role_id=implied_id)
    return found


def stop_implying(services: Services, prior_id: str, implied_id: str) -> None:
    """Raises NotFound."""

    def work(session: Session) -> None:
        roles.get(session, prior_id)
        roles.get(session, implied_id)
        if not roles.remove_inference(session, prior_id, implied_id):
            raise NotFound(f"{prior_id} does not imply {implied_id}.")

    services.db.run(work)
    log.event(logger, "role.implied_no_more", prior_role_id=prior_id, implied_role_id=implied_id)
