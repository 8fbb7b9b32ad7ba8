"""What the calls about roles mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from api.identity.bodies import check_immutable
from api.request import Services
from common.db import domains, roles
from common.db.models import Role
from common.db.paging import Page


def list_roles(services: Services, filters: Mapping[str, Any], page: Page) -> list[Role]:
    """Global roles, unless a domain's are asked for."""
    with services.db.read() as session:
        return roles.page(session, {"domain_id": roles.GLOBAL, **filters}, page)


def show(services: Services, role_id: str) -> Role:
    """Raises NotFound."""
    with services.db.read() as session:
        return roles.get(session, role_id)


def create(services: Services, given: Mapping[str, Any]) -> Role:
    """Raises NotFound (domain), AlreadyExists."""
    domain_id = given.get("domain_id")
    values = {"description": None, "options": {}, **given, "domain_id": domain_id or roles.GLOBAL}

    def work(session: Session) -> Role:
        if domain_id:
            domains.get(session, domain_id)
        return roles.create(session, values)

    return services.db.run(work)


def update(services: Services, role_id: str, given: dict[str, Any]) -> Role:
    """Raises NotFound, AlreadyExists, Forbidden for an immutable role."""

    def work(session: Session) -> Role:
        role = roles.get(session, role_id)
        changes = check_immutable(given, {"id": role.id, "domain_id": role.domain_id or None})
        roles.update(session, role, changes)
        return role

    return services.db.run(work)


def delete(services: Services, role_id: str) -> None:
    """Raises NotFound, Forbidden for an immutable role."""
    services.db.run(lambda session: roles.delete(session, roles.get(session, role_id)))
