"""Projects: what resources and quota belong to."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from common.db import paging
from common.db.models import Assignment, Project, User
from common.db.tokens import next_epoch
from common.errors import AlreadyExists, Forbidden, NotFound
from common.ids import new_hex_id


def get(session: Session, project_id: str) -> Project:
    """Raises NotFound."""
    found = session.get(Project, project_id, populate_existing=True)
    if found is None:
        raise NotFound(f"Could not find project: {project_id}.")
    return found


def find_by_name(session: Session, domain_id: str, name: str) -> Project | None:
    return session.scalar(sa.select(Project).where(Project.domain_id == domain_id, Project.name == name))


def page(session: Session, filters: Mapping[str, Any], page: paging.Page) -> list[Project]:
    """Filters: id, name, domain_id, enabled, parent_id (a domain's id: the projects directly under it)."""
    query = sa.select(Project).filter_by(**{key: value for key, value in filters.items() if key != "parent_id"})
    if parent_id := filters.get("parent_id"):
        top = sa.and_(Project.parent_id.is_(None), Project.domain_id == parent_id)
        query = query.where(sa.or_(Project.parent_id == parent_id, top))
    return paging.fetch(session, query, page, columns={"name": Project.name}, default=[("name", False)], key=Project.id)


def of_user(session: Session, user_id: str, page: paging.Page, *, enabled_only: bool) -> list[Project]:
    """Projects in which the user has a role, its own or inherited from the domain."""
    mine = sa.select(Assignment.target_id).where(Assignment.actor_type == "user", Assignment.actor_id == user_id)
    query = sa.select(Project).where(
        sa.or_(
            Project.id.in_(mine.where(Assignment.target_type == "project", Assignment.inherited.is_(False))),
            Project.domain_id.in_(mine.where(Assignment.target_type == "domain", Assignment.inherited)),
        )
    )
    if enabled_only:
        query = query.where(Project.enabled)
    return paging.fetch(session, query, page, columns={"name": Project.name}, default=[("name", False)], key=Project.id)


def create(session: Session, values: Mapping[str, Any], now: datetime) -> Project:
    """Raises AlreadyExists when the name is taken in its domain."""
    project = Project(
        id=values.get("id") or new_hex_id(),
        tokens_valid_after=now,
        created_at=now,
        **{key: value for key, value in values.items() if key != "id"},
    )
    session.add(project)
    _flush(session, project)
    return project


def update(session: Session, project: Project, changes: Mapping[str, Any], now: datetime) -> None:
    """Disabling kills the project's tokens for good. Raises AlreadyExists when the name is taken."""
    if changes.get("enabled") is False and project.enabled:
        project.tokens_valid_after = next_epoch(project.tokens_valid_after, now)
    for key, value in changes.items():
        setattr(project, key, value)
    _flush(session, project)


def delete(session: Session, project: Project) -> None:
    """With all assignments on it. Raises Forbidden while projects lie below it."""
    if session.scalar(sa.select(sa.exists().where(Project.parent_id == project.id))):
        raise Forbidden(
            f"You are not authorized to perform the requested action: Cannot delete the project {project.id} since it "
            "is not a leaf in the hierarchy. Use the cascade option if you want to delete a whole subtree.."
        )
    session.execute(
        sa.delete(Assignment).where(Assignment.target_type == "project", Assignment.target_id == project.id)
    )
    session.execute(
        sa.update(User)
        .where(User.default_project_id == project.id)
        .values(default_project_id=None)
        .execution_options(synchronize_session=False)
    )
    session.delete(project)
    session.flush()


def _flush(session: Session, project: Project) -> None:
    name, domain_id = project.name, project.domain_id
    try:
        session.flush()
    except IntegrityError as err:
        raise AlreadyExists(
            "Conflict occurred attempting to store project - it is not permitted to have two projects with the same "
            f"name in the same domain : {name} (domain {domain_id})."
        ) from err
