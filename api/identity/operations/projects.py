"""What the calls about projects mean, and where a caller may go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from api.identity.bodies import check_immutable, split_extras
from api.identity.operations.access import check_manage, check_read, domain_filter, hiding, refused
from api.request import Services
from common.context import RequestContext
from common.db import assignments, domains, projects
from common.db.models import Domain, Project
from common.db.paging import Page
from common.errors import Forbidden, InvalidRequest

MAX_TAGS = 80
MAX_DEPTH = 5
MAX_FAMILY = 1000
_COLUMNS = ("name", "description", "enabled", "tags", "options", "domain_id", "parent_id")


@dataclass(frozen=True)
class Family:
    """What else of a project's tree is asked for: None where it isn't. above: the nearest first."""

    above: list[Project] | None = None
    below: list[Project] | None = None


def list_projects(services: Services, context: RequestContext, filters: dict[str, Any], page: Page) -> list[Project]:
    """A domain's token shows the projects of that domain only."""
    with services.db.read() as session:
        return projects.page(session, domain_filter(context, filters), page)


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
    with services.db.read() as session:
        return seen(session, context, project_id, "get_project")


def family_of(
    services: Services, context: RequestContext, project: Project, *, above: str | None, below: str | None
) -> Family:
    """The projects above and below: "ids" all of them, "list" those that the caller has a role in."""
    if above is None and below is None:
        return Family()
    with services.db.read() as session:
        everything = Page(limit=MAX_FAMILY)
        own = {row.id for row in projects.of_user(session, context.user_id, everything, enabled_only=False)}
        return Family(
            None if above is None else [r for r in projects.above(session, project) if above == "ids" or r.id in own],
            None
            if below is None
            else [r for r in projects.below(session, project.id) if below == "ids" or r.id in own],
        )


def seen(session: Session, context: RequestContext, project_id: str, key: str) -> Project:
    """Raises Forbidden, NotFound for those who see everything."""
    with hiding(context, key):
        project = projects.get(session, project_id)
    if project_id != context.project_id:
        check_read(context, key, project.domain_id)
    return project


def managed(session: Session, context: RequestContext, project_id: str, key: str) -> Project:
    """Raises Forbidden, NotFound for those who see everything."""
    with hiding(context, key):
        project = projects.get(session, project_id)
    check_manage(context, key, project.domain_id)
    return project


def create(services: Services, context: RequestContext, given: Mapping[str, Any]) -> Project:
    """Raises NotFound (domain or parent), AlreadyExists, InvalidRequest, Forbidden."""
    if not context.is_admin and given.get("domain_id") is None:
        raise refused("create_project")
    now = services.clock.now()

    def work(session: Session) -> Project:
        if not context.is_admin:
            check_manage(context, "create_project", str(given["domain_id"]))
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
        if len(projects.above(session, parent)) + 2 > MAX_DEPTH:
            raise Forbidden(f"Max hierarchy depth reached for {parent_id} branch.")
        if not parent.enabled:
            raise Forbidden(f"Cannot create a project in a branch containing a disabled project: {parent_id}.")
        if domain_id not in (None, parent.domain_id):
            raise InvalidRequest("The project's domain must be that of its parent project.")
        return parent.domain_id, parent.id
    chosen = domain_id or parent_id or context.domain_id or context.project_domain_id or domains.DEFAULT_ID
    if domain_id and parent_id and domain_id != parent_id:
        raise InvalidRequest("The project's domain must be its parent domain.")
    return domains.get(session, chosen).id, None


def update(services: Services, context: RequestContext, project_id: str, given: dict[str, Any]) -> Project:
    """Raises NotFound, Forbidden, AlreadyExists, InvalidRequest for another domain or parent."""
    now = services.clock.now()

    def work(session: Session) -> Project:
        project = managed(session, context, project_id, "update_project")
        present = {
            "id": project.id,
            "domain_id": project.domain_id,
            "parent_id": project.parent_id or project.domain_id,
        }
        changes = _columns_of(check_immutable(given, present), project.extra)
        _check_branch(session, project, changes.get("enabled"))
        projects.update(session, project, changes, now)
        return project

    return services.db.run(work)


def _check_branch(session: Session, project: Project, enabled: bool | None) -> None:
    """An enabled project lies in an enabled branch."""
    if enabled is False and project.enabled and any(row.enabled for row in projects.below(session, project.id)):
        raise Forbidden(f"Cannot disable project {project.id} since its subtree contains enabled projects.")
    if enabled and not project.enabled and not all(row.enabled for row in projects.above(session, project)):
        raise Forbidden(f"Cannot enable project {project.id} since it has disabled parents.")


def delete(services: Services, context: RequestContext, project_id: str) -> None:
    """Raises NotFound, Forbidden, also while projects lie below it."""
    services.db.run(lambda session: projects.delete(session, managed(session, context, project_id, "delete_project")))


def show_tags(services: Services, context: RequestContext, project_id: str, key: str) -> list[str]:
    """Raises NotFound, Forbidden."""
    with services.db.read() as session:
        return list(seen(session, context, project_id, key).tags)


def change_tags(
    services: Services, context: RequestContext, project_id: str, key: str, change: Callable[[list[str]], list[str]]
) -> list[str]:
    """The tags after `change`, which gets those before. Raises NotFound, Forbidden, InvalidRequest for too many."""

    def work(session: Session) -> list[str]:
        project = managed(session, context, project_id, key)
        projects.lock(session, project)
        tags = change(list(project.tags))
        if len(tags) > MAX_TAGS:
            raise InvalidRequest(f"A project has at most {MAX_TAGS} tags.")
        projects.set_tags(session, project, tags)
        return tags

    return services.db.run(work)


def _columns_of(given: Mapping[str, Any], extras: Mapping[str, Any]) -> dict[str, Any]:
    values = split_extras({key: value for key, value in given.items() if key != "is_domain"}, _COLUMNS, extras)
    if "description" in values:
        values["description"] = values["description"] or ""
    return values
