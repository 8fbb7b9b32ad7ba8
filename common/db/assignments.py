"""Role assignments: which user has which role on which project, domain or the system."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, aliased

from common.db.models import Assignment, Domain, Project, Role, User
from common.db.tokens import SYSTEM_TARGET, Named
from common.db.upsert import insert_ignore
from common.errors import NotFound


@dataclass(frozen=True)
class Target:
    """kind: project, domain or system (id "all"). inherited: by the domain's projects, not for the domain."""

    kind: str
    id: str
    inherited: bool = False


@dataclass(frozen=True)
class Filters:
    """What to list. effective: inherited assignments are shown where they count instead of where they were made."""

    user_id: str | None = None
    project_id: str | None = None
    domain_id: str | None = None
    system: bool = False
    inherited: bool | None = None
    effective: bool = False


@dataclass(frozen=True)
class Listed:
    """One assignment with the names of everything in it. project None and domain None: on the system."""

    user: Named
    user_domain: Named
    role: Named
    role_domain_id: str
    project: Named | None
    project_domain: Named | None
    domain: Named | None
    inherited: bool
    made_on_domain_id: str | None  # the domain that an inherited assignment was made on


def add(session: Session, user_id: str, role_id: str, target: Target) -> bool:
    """False: it was there already. Raises NotFound when the role has just been deleted."""
    row = {
        "actor_type": "user",
        "actor_id": user_id,
        "target_type": target.kind,
        "target_id": target.id,
        "role_id": role_id,
        "inherited": target.inherited,
    }
    try:
        return insert_ignore(session, Assignment, [row]) == 1
    except IntegrityError as err:
        raise NotFound(f"Could not find role: {role_id}.") from err


def remove(session: Session, user_id: str, role_id: str, target: Target) -> bool:
    """False: there was none."""
    done = session.execute(sa.delete(Assignment).where(*_exactly(user_id, target), Assignment.role_id == role_id))
    return bool(done.rowcount)  # type: ignore[attr-defined]


def exists(session: Session, user_id: str, role_id: str, target: Target) -> bool:
    return bool(session.scalar(sa.select(sa.exists().where(*_exactly(user_id, target), Assignment.role_id == role_id))))


def roles_on(session: Session, user_id: str, target: Target) -> list[Role]:
    """The roles assigned to the user on exactly this target."""
    query = sa.select(Role).join(Assignment, Assignment.role_id == Role.id).where(*_exactly(user_id, target))
    return list(session.scalars(query.order_by(Role.name)))


def has_system_role(session: Session, user_id: str) -> bool:
    return bool(
        session.scalar(
            sa.select(
                sa.exists().where(
                    Assignment.actor_type == "user",
                    Assignment.actor_id == user_id,
                    Assignment.target_type == "system",
                    Assignment.target_id == SYSTEM_TARGET,
                )
            )
        )
    )


def _exactly(user_id: str, target: Target) -> Iterable[sa.ColumnElement[bool]]:
    return (
        Assignment.actor_type == "user",
        Assignment.actor_id == user_id,
        Assignment.target_type == target.kind,
        Assignment.target_id == target.id,
        Assignment.inherited.is_(target.inherited),
    )


_user_domain = aliased(Domain)
_project_domain = aliased(Domain)


def listed(session: Session, filters: Filters) -> list[Listed]:
    """All assignments that pass the filters, with names, in one statement."""
    on_project = sa.and_(Assignment.target_type == "project", Assignment.target_id == Project.id)
    on_domain = sa.and_(Assignment.target_type == "domain", Assignment.target_id == Domain.id)
    if filters.effective:
        spread = sa.and_(
            Assignment.target_type == "domain", Assignment.inherited, Assignment.target_id == Project.domain_id
        )
        on_project = sa.or_(sa.and_(on_project, Assignment.inherited.is_(False)), spread)
        on_domain = sa.and_(on_domain, Assignment.inherited.is_(False))
    query = (
        sa.select(Assignment, User, _user_domain, Role, Project, _project_domain, Domain)
        .join(User, sa.and_(Assignment.actor_type == "user", User.id == Assignment.actor_id))
        .join(_user_domain, _user_domain.id == User.domain_id)
        .join(Role, Role.id == Assignment.role_id)
        .outerjoin(Project, on_project)
        .outerjoin(_project_domain, _project_domain.id == Project.domain_id)
        .outerjoin(Domain, on_domain)
        .where(*_conditions(filters))
        .order_by(User.name, User.id, Assignment.target_type, Assignment.target_id, Project.id, Role.name)
    )
    return [_listed(row) for row in session.execute(query)]


def _conditions(filters: Filters) -> list[sa.ColumnElement[bool]]:
    found: list[sa.ColumnElement[bool]] = [
        sa.or_(Project.id.is_not(None), Domain.id.is_not(None), Assignment.target_type == "system")
    ]
    if filters.user_id:
        found.append(User.id == filters.user_id)
    if filters.project_id:
        found.append(Project.id == filters.project_id)
    if filters.domain_id:
        found.append(Domain.id == filters.domain_id)
    if filters.system:
        found.append(Assignment.target_type == "system")
    if filters.inherited is not None:
        found.append(Assignment.inherited.is_(filters.inherited))
    return found


def _listed(row: sa.Row[*tuple[Any, ...]]) -> Listed:
    assignment, user, user_domain, role, project, project_domain, domain = row
    return Listed(
        user=Named(user.id, user.name),
        user_domain=Named(user_domain.id, user_domain.name),
        role=Named(role.id, role.name),
        role_domain_id=role.domain_id,
        project=Named(project.id, project.name) if project else None,
        project_domain=Named(project_domain.id, project_domain.name) if project_domain else None,
        domain=Named(domain.id, domain.name) if domain else None,
        inherited=assignment.inherited,
        made_on_domain_id=assignment.target_id if assignment.target_type == "domain" else None,
    )
