"""Endpoint groups, what is associated with projects, and which endpoints a project therefore sees."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from common.db import paging
from common.db.models import Endpoint, EndpointGroup, EndpointGroupProject, EndpointProject, Project
from common.errors import AlreadyExists, NotFound
from common.ids import new_hex_id


def get(session: Session, group_id: str) -> EndpointGroup:
    """Raises NotFound."""
    found = session.get(EndpointGroup, group_id, populate_existing=True)
    if found is None:
        raise NotFound(f"Could not find Endpoint Group: {group_id}.")
    return found


def page(session: Session, filters: Mapping[str, Any], page: paging.Page) -> list[EndpointGroup]:
    """Filters: name."""
    query = sa.select(EndpointGroup).filter_by(**filters)
    return paging.fetch(
        session, query, page, columns={"id": EndpointGroup.id}, default=[("id", False)], key=EndpointGroup.id
    )


def create(session: Session, values: Mapping[str, Any]) -> EndpointGroup:
    group = EndpointGroup(id=new_hex_id(), **values)
    session.add(group)
    session.flush()
    return group


def update(session: Session, group: EndpointGroup, changes: Mapping[str, Any]) -> None:
    for key, value in changes.items():
        setattr(group, key, value)
    session.flush()


def delete(session: Session, group: EndpointGroup) -> None:
    session.delete(group)
    session.flush()


def matching(session: Session, group: EndpointGroup) -> list[Endpoint]:
    """The endpoints of a group."""
    return list(session.scalars(sa.select(Endpoint).filter_by(**group.filters).order_by(Endpoint.id)))


def groups_of(session: Session, project_id: str) -> list[EndpointGroup]:
    query = sa.select(EndpointGroup).join(EndpointGroupProject).where(EndpointGroupProject.project_id == project_id)
    return list(session.scalars(query.order_by(EndpointGroup.id)))


def endpoints_of(session: Session, project_id: str) -> list[Endpoint]:
    """Those associated with the project itself, and those of its groups; disabled ones too."""
    direct = sa.select(Endpoint).join(EndpointProject).where(EndpointProject.project_id == project_id)
    found = {endpoint.id: endpoint for endpoint in session.scalars(direct)}
    for group in groups_of(session, project_id):
        found |= {endpoint.id: endpoint for endpoint in matching(session, group)}
    return [found[key] for key in sorted(found)]


def visible(session: Session, project_id: str) -> set[str] | None:
    """Ids of the endpoints that the project's catalogue shows; None: all, since nothing is associated with it."""
    direct = sa.select(EndpointProject.project_id).where(EndpointProject.project_id == project_id)
    grouped = sa.select(EndpointGroupProject.project_id).where(EndpointGroupProject.project_id == project_id)
    if session.execute(sa.union_all(direct, grouped).limit(1)).first() is None:
        return None
    return {endpoint.id for endpoint in endpoints_of(session, project_id)}


def add(session: Session, association: EndpointGroupProject | EndpointProject) -> None:
    """Raises AlreadyExists."""
    project_id = association.project_id
    session.add(association)
    try:
        session.flush()
    except IntegrityError as err:
        raise AlreadyExists(f"Conflict occurred: it is associated with project {project_id} already.") from err


def get_association(session: Session, group_id: str, project_id: str) -> EndpointGroupProject:
    """Raises NotFound."""
    found = session.get(EndpointGroupProject, (group_id, project_id))
    if found is None:
        raise NotFound(f"Could not find Project Endpoint Group: {group_id} in project {project_id}.")
    return found


def get_endpoint_association(session: Session, endpoint_id: str, project_id: str) -> EndpointProject:
    """Raises NotFound."""
    found = session.get(EndpointProject, (endpoint_id, project_id))
    if found is None:
        raise NotFound(f"Could not find endpoint: endpoint {endpoint_id} is not associated with project {project_id}.")
    return found


def remove(session: Session, association: EndpointGroupProject | EndpointProject) -> None:
    session.delete(association)
    session.flush()


def projects_of_group(session: Session, group_id: str) -> list[Project]:
    query = sa.select(Project).join(EndpointGroupProject, EndpointGroupProject.project_id == Project.id)
    return list(session.scalars(query.where(EndpointGroupProject.endpoint_group_id == group_id).order_by(Project.id)))


def projects_of_endpoint(session: Session, endpoint_id: str) -> list[Project]:
    query = sa.select(Project).join(EndpointProject, EndpointProject.project_id == Project.id)
    return list(session.scalars(query.where(EndpointProject.endpoint_id == endpoint_id).order_by(Project.id)))
