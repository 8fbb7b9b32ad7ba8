"""Flavors: made and changed by administrators, seen by whoever may use them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from api.request import Services
from common.context import RequestContext
from common.db import flavors, projects
from common.db.flavors import FlavorFilter
from common.db.models import Flavor
from common.db.paging import Page
from common.errors import Conflict, InvalidRequest, NotFound
from common.ids import new_id


def list_page(services: Services, context: RequestContext, wanted: FlavorFilter, page: Page) -> list[Flavor]:
    with services.db.read() as session:
        return flavors.list_page(session, context, wanted, page)


def show(services: Services, context: RequestContext, flavor_id: str) -> Flavor:
    """Raises NotFound."""
    with services.db.read() as session:
        return flavors.get_visible(session, flavor_id, context)


def create(services: Services, values: Mapping[str, Any]) -> Flavor:
    """A private flavor may be used by nobody until access is granted, as Nova has it. Raises AlreadyExists."""
    flavor_id = values.get("id") or new_id()

    def work(session: Session) -> Flavor:
        return flavors.create(
            session,
            {"disabled": False, "extra_specs": {}, **values, "id": flavor_id, "created_at": services.clock.now()},
        )

    return services.db.run(work)


def describe(services: Services, flavor_id: str, description: str | None) -> Flavor:
    """Raises NotFound."""

    def work(session: Session) -> Flavor:
        found = flavors.get_for_update(session, flavor_id)
        found.description = description
        return found

    return services.db.run(work)


def delete(services: Services, flavor_id: str) -> None:
    """Raises NotFound."""
    services.db.run(lambda session: flavors.delete(session, flavor_id))


def add_extra_specs(services: Services, flavor_id: str, specs: Mapping[str, str]) -> dict[str, str]:
    """Merge specs in; all of them. Raises NotFound."""

    def work(session: Session) -> dict[str, str]:
        found = flavors.get_for_update(session, flavor_id)
        found.extra_specs = {**found.extra_specs, **specs}
        return found.extra_specs

    return services.db.run(work)


def extra_spec(services: Services, context: RequestContext, flavor_id: str, key: str) -> str:
    """Raises NotFound for the flavor or the key."""
    specs = show(services, context, flavor_id).extra_specs
    if key not in specs:
        raise _no_spec(flavor_id, key)
    return str(specs[key])


def delete_extra_spec(services: Services, flavor_id: str, key: str) -> None:
    """Raises NotFound for the flavor or the key."""

    def work(session: Session) -> None:
        found = flavors.get_for_update(session, flavor_id)
        if key not in found.extra_specs:
            raise _no_spec(flavor_id, key)
        found.extra_specs = {name: value for name, value in found.extra_specs.items() if name != key}

    services.db.run(work)


def access(services: Services, context: RequestContext, flavor_id: str) -> list[str]:
    """Ids of the projects that may use a private flavor. Raises NotFound, also for a public one."""
    with services.db.read() as session:
        if flavors.get_visible(session, flavor_id, context).is_public:
            raise NotFound("Access list not available for public flavors.")
        return flavors.access_list(session, flavor_id)


def grant(services: Services, context: RequestContext, flavor_id: str, project_id: str) -> list[str]:
    """Raises NotFound, Conflict for a public flavor or access that is there, InvalidRequest for no such project."""

    def work(session: Session) -> list[str]:
        if flavors.get_visible(session, flavor_id, context).is_public:
            raise Conflict("Can not add access to a public flavor.")
        check_project(session, project_id)
        flavors.add_access(session, flavor_id, project_id)
        return flavors.access_list(session, flavor_id)

    return services.db.run(work)


def revoke(services: Services, context: RequestContext, flavor_id: str, project_id: str) -> list[str]:
    """Raises NotFound for the flavor or the access, InvalidRequest for no such project."""

    def work(session: Session) -> list[str]:
        flavors.get_visible(session, flavor_id, context)
        check_project(session, project_id)
        flavors.remove_access(session, flavor_id, project_id)
        return flavors.access_list(session, flavor_id)

    return services.db.run(work)


def check_project(session: Session, project_id: str) -> None:
    """Raises InvalidRequest, in Nova's words, unless there is such a project."""
    try:
        projects.get(session, project_id)
    except NotFound as err:
        raise InvalidRequest(f"Project ID {project_id} is not a valid project.") from err


def _no_spec(flavor_id: str, key: str) -> NotFound:
    return NotFound(f"Flavor {flavor_id} has no extra specs with key {key[:255]}.")
