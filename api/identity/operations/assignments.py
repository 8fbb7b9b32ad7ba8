"""What the calls about role assignments mean."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace

from sqlalchemy.orm import Session

from api.policy import IMPLIED, expand_roles
from api.request import Services
from common import log
from common.db import assignments, domains, projects, roles, users
from common.db.assignments import Filters, Listed, Target
from common.db.models import Role
from common.db.tokens import Named
from common.errors import NotFound

logger = logging.getLogger(__name__)


def grant(services: Services, user_id: str, role_id: str, target: Target) -> None:
    """Idempotent. Raises NotFound for user, role or target."""

    def work(session: Session) -> None:
        _check(session, user_id, target)
        roles.get(session, role_id)
        assignments.add(session, user_id, role_id, target)

    services.db.run(work)
    log.event(logger, "role.granted", user_id=user_id, role_id=role_id, on=target.kind, target_id=target.id)


def revoke(services: Services, user_id: str, role_id: str, target: Target) -> None:
    """Tokens lose the role at their next request. Raises NotFound, also when there is no such assignment."""

    def work(session: Session) -> None:
        _check(session, user_id, target)
        roles.get(session, role_id)
        if not assignments.remove(session, user_id, role_id, target):
            raise _not_assigned(user_id, role_id, target)

    services.db.run(work)
    log.event(logger, "role.revoked", user_id=user_id, role_id=role_id, on=target.kind, target_id=target.id)


def check(services: Services, user_id: str, role_id: str, target: Target) -> None:
    """Raises NotFound when the role isn't assigned on exactly this target."""
    with services.db.read() as session:
        _check(session, user_id, target)
        roles.get(session, role_id)
        if not assignments.exists(session, user_id, role_id, target):
            raise _not_assigned(user_id, role_id, target)


def roles_on(services: Services, user_id: str, target: Target) -> list[Role]:
    """Raises NotFound for user or target."""
    with services.db.read() as session:
        _check(session, user_id, target)
        return assignments.roles_on(session, user_id, target)


def list_assignments(services: Services, filters: Filters, role_id: str | None) -> list[Listed]:
    """With filters.effective also the roles that others imply, as tokens would carry them."""
    with services.db.read() as session:
        rows = assignments.listed(session, filters)
        if filters.effective:
            known = {
                role.name.lower(): Named(role.id, role.name) for role in roles.global_named(session, IMPLIED["admin"])
            }
            rows = list(_with_implied(rows, known))
    return [row for row in rows if role_id is None or row.role.id == role_id]


def _with_implied(rows: list[Listed], known: dict[str, Named]) -> Iterator[Listed]:
    """Every assignment with those it implies, each once."""
    seen: set[tuple[object, ...]] = set()
    for row in rows:
        implied = expand_roles(frozenset({row.role.name})) if not row.role_domain_id else frozenset[str]()
        for role in (row.role, *(known[name] for name in sorted(implied) if name in known)):
            key = (row.user.id, role.id, row.project, row.domain)
            if key not in seen:
                seen.add(key)
                yield replace(row, role=role)


def _check(session: Session, user_id: str, target: Target) -> None:
    users.get(session, user_id)
    if target.kind == "project":
        projects.get(session, target.id)
    elif target.kind == "domain":
        domains.get(session, target.id)


def _not_assigned(user_id: str, role_id: str, target: Target) -> NotFound:
    return NotFound(
        f"Could not find role assignment with role: {role_id}, user or group: {user_id}, "
        f"project, domain, or system: {target.id}."
    )
