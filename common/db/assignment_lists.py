"""The list of role assignments: as they were made, or as they count (effective), in one statement either way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from common.db.models import Assignment, Domain, Group, GroupMember, ImpliedRole, Project, Role, User
from common.db.tokens import Named


@dataclass(frozen=True)
class Filters:
    """What to list. effective: groups, inheritance and implied roles are resolved to users, projects and roles.

    below: also what is on the projects below project_id. within: only what is on this domain and its projects.
    """

    user_id: str | None = None
    group_id: str | None = None
    role_id: str | None = None
    project_id: str | None = None
    domain_id: str | None = None
    system: bool = False
    inherited: bool | None = None
    effective: bool = False
    below: bool = False
    within: str | None = None


@dataclass(frozen=True)
class Listed:
    """One assignment with the names of everything in it. project None and domain None: on the system.

    made_on, made_for and prior_role_id say how an effective one came to be.
    """

    user: Named | None
    group: Named | None
    actor_domain: Named
    role: Named
    role_domain: Named | None
    project: Named | None
    project_domain: Named | None
    domain: Named | None
    inherited: bool
    made_on: tuple[str, str]  # kind and id of the target
    made_for: tuple[str, str]  # kind and id of the actor
    prior_role_id: str


_actor_domain = aliased(Domain, name="actor_domain")
_role_domain = aliased(Domain, name="role_domain")
_project_domain = aliased(Domain, name="project_domain")


def listed(session: Session, filters: Filters) -> list[Listed]:
    """All assignments that pass the filters, with names."""
    role_id, role_join = _roles(filters.effective)
    on_project, on_domain = _targets(filters.effective)
    query = (
        sa.select(Assignment, User, Group, _actor_domain, Role, _role_domain, Project, _project_domain, Domain)
        .select_from(Assignment)
        .outerjoin(User, _user_of(filters.effective))
        .outerjoin(Group, sa.and_(Assignment.actor_type == "group", Group.id == Assignment.actor_id))
    )
    if role_join is not None:
        query = query.join(role_join, role_join.c.prior == Assignment.role_id)
    query = (
        query.join(Role, Role.id == role_id)
        .join(_actor_domain, _actor_domain.id == sa.func.coalesce(User.domain_id, Group.domain_id))
        .outerjoin(_role_domain, _role_domain.id == Role.domain_id)
        .outerjoin(Project, on_project)
        .outerjoin(_project_domain, _project_domain.id == Project.domain_id)
        .outerjoin(Domain, on_domain)
        .where(*_conditions(filters))
        .order_by(
            User.name,
            User.id,
            Group.name,
            Group.id,
            Assignment.target_type,
            Assignment.target_id,
            Project.id,
            Role.name,
        )
    )
    rows = [_listed(row, filters.effective) for row in session.execute(query)]
    return _without_repeats(rows) if filters.effective else rows


def _roles(effective: bool) -> tuple[Any, sa.CTE | None]:
    """The column of the role that counts, and the closure to join for it: each role with all that it implies."""
    if not effective:
        return Assignment.role_id, None
    every = aliased(Role, name="every_role")
    closure = sa.select(every.id.label("prior"), every.id.label("role")).cte("role_closure", recursive=True)
    closure = closure.union(
        sa.select(closure.c.prior, ImpliedRole.implied_role_id).join(
            ImpliedRole, ImpliedRole.prior_role_id == closure.c.role
        )
    )
    return closure.c.role, closure


def _user_of(effective: bool) -> sa.ColumnElement[bool]:
    itself = sa.and_(Assignment.actor_type == "user", User.id == Assignment.actor_id)
    if not effective:
        return itself
    members = sa.select(GroupMember.user_id).where(GroupMember.group_id == Assignment.actor_id)
    return sa.or_(itself, sa.and_(Assignment.actor_type == "group", User.id.in_(members.correlate(Assignment))))


def _targets(effective: bool) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    on_project = sa.and_(Assignment.target_type == "project", Assignment.target_id == Project.id)
    on_domain = sa.and_(Assignment.target_type == "domain", Assignment.target_id == Domain.id)
    if not effective:
        return on_project, on_domain
    line = _lines("lines")
    below = sa.select(line.c.project).where(line.c.ancestor == Assignment.target_id).correlate(Assignment)
    spread = sa.and_(
        Assignment.inherited,
        sa.or_(
            sa.and_(Assignment.target_type == "domain", Assignment.target_id == Project.domain_id),
            sa.and_(Assignment.target_type == "project", Project.id.in_(below)),
        ),
    )
    return (
        sa.or_(sa.and_(on_project, Assignment.inherited.is_(False)), spread),
        sa.and_(on_domain, Assignment.inherited.is_(False)),
    )


def _lines(name: str) -> sa.CTE:
    """Every project with each project that it lies below."""
    child, parent = aliased(Project, name="child"), aliased(Project, name="parent")
    line = (
        sa.select(child.id.label("project"), child.parent_id.label("ancestor"))
        .where(child.parent_id.is_not(None))
        .cte(name, recursive=True)
    )
    return line.union(
        sa.select(line.c.project, parent.parent_id)
        .join(parent, parent.id == line.c.ancestor)
        .where(parent.parent_id.is_not(None))
    )


def _conditions(filters: Filters) -> list[sa.ColumnElement[bool]]:
    found: list[sa.ColumnElement[bool]] = [
        sa.or_(Project.id.is_not(None), Domain.id.is_not(None), Assignment.target_type == "system"),
    ]
    if filters.effective:
        found += [User.id.is_not(None), Role.domain_id == ""]  # a domain's own roles never count themselves
    if filters.user_id is not None:
        found.append(User.id == filters.user_id)
    if filters.group_id is not None:
        found += [Assignment.actor_type == "group", Assignment.actor_id == filters.group_id]
    if filters.role_id is not None:
        found.append(Role.id == filters.role_id)
    if filters.project_id is not None:
        line = _lines("lines_asked_for")
        below = sa.select(line.c.project).where(line.c.ancestor == filters.project_id)
        itself = Project.id == filters.project_id
        found.append(sa.or_(itself, Project.id.in_(below)) if filters.below else itself)
    if filters.domain_id is not None:
        found.append(Domain.id == filters.domain_id)
    if filters.within is not None:
        found.append(sa.or_(Domain.id == filters.within, Project.domain_id == filters.within))
    if filters.system:
        found.append(Assignment.target_type == "system")
    if filters.inherited is not None:
        found.append(Assignment.inherited.is_(filters.inherited))
    return found


def _listed(row: sa.Row[*tuple[Any, ...]], effective: bool) -> Listed:
    assignment, user, group, actor_domain, role, role_domain, project, project_domain, domain = row
    return Listed(
        user=_named(user),
        group=None if effective else _named(group),
        actor_domain=Named(actor_domain.id, actor_domain.name),
        role=Named(role.id, role.name),
        role_domain=_named(role_domain),
        project=_named(project),
        project_domain=_named(project_domain),
        domain=_named(domain),
        inherited=assignment.inherited,
        made_on=(assignment.target_type, assignment.target_id),
        made_for=(assignment.actor_type, assignment.actor_id),
        prior_role_id=assignment.role_id,
    )


def _named(row: Any) -> Named | None:
    return Named(row.id, row.name) if row is not None else None


def _without_repeats(rows: list[Listed]) -> list[Listed]:
    """One of each: a role may be held in several ways."""
    return list({(row.user, row.role, row.project, row.domain): row for row in reversed(rows)}.values())[::-1]
