"""Projects: what resources and quota belong to. They form trees below their domain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, aliased

from common.db import paging
from common.db.assignments import of_user as of_user_assignments
from common.db.models import Assignment, Project, User
from common.db.named import name_conditions
from common.db.tokens import next_epoch
from common.errors import AlreadyExists, Forbidden, NotFound
from common.ids import new_hex_id

TAG_FILTERS = ("tags", "tags-any", "not-tags", "not-tags-any")


def get(session: Session, project_id: str) -> Project:
    """Raises NotFound."""
    found = session.get(Project, project_id, populate_existing=True)
    if found is None:
        raise NotFound(f"Could not find project: {project_id}.")
    return found


def find_by_name(session: Session, domain_id: str, name: str) -> Project | None:
    return session.scalar(sa.select(Project).where(Project.domain_id == domain_id, Project.name == name))


def page(session: Session, filters: Mapping[str, Any], page: paging.Page) -> list[Project]:
    """Filters: id, domain_id, enabled, name and its comparisons, parent_id (a domain's id: the projects directly
    under it), and TAG_FILTERS (lists of tags)."""
    query = sa.select(Project).where(*_conditions(filters))
    return paging.fetch(session, query, page, columns={"name": Project.name}, default=[("name", False)], key=Project.id)


def _conditions(filters: Mapping[str, Any]) -> list[sa.ColumnElement[bool]]:
    special = ("parent_id", *TAG_FILTERS)
    found = name_conditions(Project, {key: value for key, value in filters.items() if key not in special})
    if "parent_id" in filters:
        top = sa.and_(Project.parent_id.is_(None), Project.domain_id == filters["parent_id"])
        found.append(sa.or_(Project.parent_id == filters["parent_id"], top))
    for name in TAG_FILTERS:
        if name in filters:
            each = [_has_tag(tag) for tag in filters[name]]
            condition = sa.or_(*each) if name.endswith("-any") else sa.and_(*each)
            found.append(sa.not_(condition) if name.startswith("not-") else condition)
    return found


def _has_tag(tag: str) -> sa.ColumnElement[bool]:
    """The list is kept as compact JSON; no tag holds a comma, so this can't be found inside of another tag."""
    listed = sa.cast(Project.tags, sa.Text)
    within = sa.literal(",") + sa.func.substr(listed, 2, sa.func.length(listed) - 2) + sa.literal(",")
    return sa.func.replace(within, f",{msgspec.json.encode(tag).decode()},", "") != within


def of_user(
    session: Session,
    user_id: str,
    page: paging.Page,
    *,
    filters: Mapping[str, Any] | None = None,
    enabled_only: bool,
) -> list[Project]:
    """Projects in which the user has a role: its own, its groups', or inherited from the domain or a project above."""
    mine = sa.select(Assignment.target_id).where(of_user_assignments(user_id))
    line = (
        sa.select(Project.id)
        .where(Project.parent_id.in_(mine.where(Assignment.target_type == "project", Assignment.inherited)))
        .cte("below", recursive=True)
    )
    child = aliased(Project, name="child")
    line = line.union(sa.select(child.id).join(line, child.parent_id == line.c.id))
    query = sa.select(Project).where(
        sa.or_(
            Project.id.in_(mine.where(Assignment.target_type == "project", Assignment.inherited.is_(False))),
            Project.id.in_(sa.select(line.c.id)),
            Project.domain_id.in_(mine.where(Assignment.target_type == "domain", Assignment.inherited)),
        ),
        *_conditions(filters or {}),
    )
    if enabled_only:
        query = query.where(Project.enabled)
    return paging.fetch(session, query, page, columns={"name": Project.name}, default=[("name", False)], key=Project.id)


def below(session: Session, project_id: str) -> list[Project]:
    """All projects below this one, at any depth; parents before children of the same branch are not promised."""
    line = sa.select(Project.id).where(Project.parent_id == project_id).cte("below", recursive=True)
    child = aliased(Project, name="child")
    line = line.union(sa.select(child.id).join(line, child.parent_id == line.c.id))
    return list(session.scalars(sa.select(Project).where(Project.id.in_(sa.select(line.c.id))).order_by(Project.name)))


def above(session: Session, project: Project) -> list[Project]:
    """The projects that it lies below, the nearest first."""
    line = sa.select(Project.id, Project.parent_id).where(Project.id == project.parent_id).cte("above", recursive=True)
    parent = aliased(Project, name="parent")
    line = line.union(sa.select(parent.id, parent.parent_id).join(line, parent.id == line.c.parent_id))
    rows = {row.id: row for row in session.scalars(sa.select(Project).where(Project.id.in_(sa.select(line.c.id))))}
    found: list[Project] = []
    following = project.parent_id
    while following in rows:
        found.append(rows.pop(following))
        following = found[-1].parent_id
    return found


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


def set_tags(session: Session, project: Project, tags: Sequence[str]) -> None:
    project.tags = list(tags)
    session.flush()


def lock(session: Session, project: Project) -> None:
    """Read it again and let nobody change it before this transaction ends: tags are kept as one value."""
    session.refresh(project, with_for_update=True)


def _flush(session: Session, project: Project) -> None:
    name, domain_id = project.name, project.domain_id
    try:
        session.flush()
    except IntegrityError as err:
        raise AlreadyExists(
            "Conflict occurred attempting to store project - it is not permitted to have two projects with the same "
            f"name in the same domain : {name} (domain {domain_id})."
        ) from err
