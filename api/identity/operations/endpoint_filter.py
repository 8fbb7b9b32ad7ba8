"""What the calls about endpoint groups and their projects mean: a project with any association sees only those endpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from api.identity.bodies import check_immutable
from api.request import Services
from common.db import catalog, projects
from common.db import endpoint_filter as stored
from common.db.models import Endpoint, EndpointGroup, EndpointGroupProject, EndpointProject, Project
from common.db.paging import Page
from common.errors import InvalidRequest


def list_groups(services: Services, filters: Mapping[str, Any], page: Page) -> list[EndpointGroup]:
    with services.db.read() as session:
        return stored.page(session, filters, page)


def show(services: Services, group_id: str) -> EndpointGroup:
    """Raises NotFound."""
    with services.db.read() as session:
        return stored.get(session, group_id)


def create(services: Services, given: Mapping[str, Any]) -> EndpointGroup:
    """Raises InvalidRequest for a group without filters."""
    if not given["filters"]:
        raise InvalidRequest("filters field is required and cannot be empty.")
    return services.db.run(lambda session: stored.create(session, given))


def update(services: Services, group_id: str, given: dict[str, Any]) -> EndpointGroup:
    """Raises NotFound, InvalidRequest for another id."""

    def work(session: Session) -> EndpointGroup:
        group = stored.get(session, group_id)
        stored.update(session, group, check_immutable(given, {"id": group_id}))
        return group

    return services.db.run(work)


def delete(services: Services, group_id: str) -> None:
    """Raises NotFound."""
    services.db.run(lambda session: stored.delete(session, stored.get(session, group_id)))


def endpoints_of_group(services: Services, group_id: str) -> list[Endpoint]:
    """Raises NotFound."""
    with services.db.read() as session:
        return stored.matching(session, stored.get(session, group_id))


def projects_of_group(services: Services, group_id: str) -> list[Project]:
    """Raises NotFound."""
    with services.db.read() as session:
        return stored.projects_of_group(session, stored.get(session, group_id).id)


def projects_of_endpoint(services: Services, endpoint_id: str) -> list[Project]:
    """Raises NotFound."""
    with services.db.read() as session:
        return stored.projects_of_endpoint(session, catalog.get_endpoint(session, endpoint_id).id)


def groups_of_project(services: Services, project_id: str) -> list[EndpointGroup]:
    with services.db.read() as session:
        return stored.groups_of(session, project_id)


def endpoints_of_project(services: Services, project_id: str) -> list[Endpoint]:
    """Raises NotFound."""
    with services.db.read() as session:
        return stored.endpoints_of(session, projects.get(session, project_id).id)


def show_association(services: Services, group_id: str, project_id: str) -> EndpointGroupProject:
    """Raises NotFound for group, project, or where they have nothing to do with one another."""
    with services.db.read() as session:
        _check_group(session, group_id, project_id)
        return stored.get_association(session, group_id, project_id)


def associate(services: Services, group_id: str, project_id: str) -> None:
    """Raises NotFound, AlreadyExists."""

    def work(session: Session) -> None:
        _check_group(session, group_id, project_id)
        stored.add(session, EndpointGroupProject(endpoint_group_id=group_id, project_id=project_id))

    services.db.run(work)


def dissociate(services: Services, group_id: str, project_id: str) -> None:
    """Raises NotFound."""

    def work(session: Session) -> None:
        _check_group(session, group_id, project_id)
        stored.remove(session, stored.get_association(session, group_id, project_id))

    services.db.run(work)


def check_endpoint(services: Services, project_id: str, endpoint_id: str) -> None:
    """Raises NotFound."""
    with services.db.read() as session:
        _check_endpoint(session, project_id, endpoint_id)
        stored.get_endpoint_association(session, endpoint_id, project_id)


def add_endpoint(services: Services, project_id: str, endpoint_id: str) -> None:
    """Raises NotFound, AlreadyExists."""

    def work(session: Session) -> None:
        _check_endpoint(session, project_id, endpoint_id)
        stored.add(session, EndpointProject(endpoint_id=endpoint_id, project_id=project_id))

    services.db.run(work)


def remove_endpoint(services: Services, project_id: str, endpoint_id: str) -> None:
    """Raises NotFound."""
    services.db.run(
        lambda session: stored.remove(session, stored.get_endpoint_association(session, endpoint_id, project_id))
    )


def _check_group(session: Session, group_id: str, project_id: str) -> None:
    projects.get(session, project_id)
    stored.get(session, group_id)


def _check_endpoint(session: Session, project_id: str, endpoint_id: str) -> None:
    catalog.get_endpoint(session, endpoint_id)
    projects.get(session, project_id)
