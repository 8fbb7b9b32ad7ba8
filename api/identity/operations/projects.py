"""What the calls about projects mean, and where a caller may go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from api.identity.bodies import check_immutable, split_extras
from api.request import Services
from common.context import RequestContext
from common.db import assignments, domains, projects
from common.db.models import Domain, Project
from common.db.paging import Page
from common.errors import Forbidden, InvalidRequest

_COLUMNS = ("name", "description", "enabled", "tags", "options", "domain_id", "parent_id")


def list_projects(services: Services, filters: Mapping[str, Any], page: Page) -> list[Project]:
    with services.db.read() as session:
        return projects.page(session, filters, page)


def list_own(services: Services, context: RequestContext, page: Page) -> list[Project]:
    """The enabled projects that the caller may get a token for."""
    with services.db.read() as session:
        return projects.of_user(session, context.user_id, page, enabled_only=True)


def list_own_domains(services: Services, context: RequestContext) -> list[Domain]:
    with services.db.read() as session:
        return domains.of_user(session, context.user_id)


def has_system_role(services: Services, context: RequestContext) -> bool:
    with services.db.read() as session:
        return assignments.has_system_role(session, context.user_id)


def show(services: Services, context: RequestContext, project_id: str) -> Project:
    """Anybody may see the project of its token. Raises Forbidden for others, known or not; NotFound."""
    if not (context.is_admin or project_id == context.project_id):
        raise Forbidden("You are not authorized to perform the requested action: identity:get_project.")
    with services.db.read() as session:
        return projects.get(session, project_id)


def create(services: Services, context: RequestContext, given: Mapping[str, Any]) -> Project:
    """Raises NotFound (domain or parent), AlreadyExists, InvalidRequest."""
    now = services.clock.now()

    def work(session: Session) -> Project:
        domain_id, parent_id = _place(session, context, given)
        values = {
            "description": "",
            "enabled": True,
            "tags": [],
            "options": {},
            "extra": {},
            **_columns_of(given, {}),
            "domain_id": domain_id,
            "parent_id": parent_id,
        }
        return projects.create(session, values, now)

    return services.db.run(work)


def _place(session: Session, context: RequestContext, given: Mapping[str, Any]) -> tuple[str, str | None]:
    """Domain and parent of a new project: a parent that is a domain's id means directly under it."""
    domain_id, parent_id = given.get("domain_id"), given.get("parent_id")
    if parent_id and parent_id != domain_id and domains.find(session, domain_id=parent_id) is None:
        parent = projects.get(session, parent_id)
        if domain_id not in (None, parent.domain_id):
            raise InvalidRequest("The project's domain must be that of its parent project.")
        return parent.domain_id, parent.id
    chosen = domain_id or parent_id or context.domain_id or context.project_domain_id or domains.DEFAULT_ID
    if domain_id and parent_id and domain_id != parent_id:
        raise InvalidRequest("The project's domain must be its parent domain.")
    return domains.get(session, chosen).id, None


def update(services: Services, project_id: str, given: dict[str, Any]) -> Project:
    """Raises NotFound, AlreadyExists, InvalidRequest for another domain or parent."""
    now = services.clock.now()

    def work(session: Session) -> Project:
        project = projects.get(session, project_id)
        present = {
            "id": project.id,
            "domain_id": project.domain_id,
            "parent_id": project.parent_id or project.domain_id,
        }
        changes = _columns_of(check_immutable(given, present), project.extra)
        projects.update(session, project, changes, now)
        return project

    return services.db.run(work)


def delete(services: Services, project_id: str) -> None:
    """Raises NotFound, Forbidden while projects lie below it."""
    services.db.run(lambda session: projects.delete(session, projects.get(session, project_id)))


def _columns_of(given: Mapping[str, Any], extras: Mapping[str, Any]) -> dict[str, Any]:
    values = split_extras({key: value for key, value in given.items() if key != "is_domain"}, _COLUMNS, extras)
    if "description" in values:
        values["description"] = values["description"] or ""
    return values
