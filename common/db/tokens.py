"""What makes a token valid: its user, its scope, the roles there, and that nobody revoked it; in one statement.

Revocation epochs: `tokens_valid_after` of users, projects and domains only ever rises (`next_epoch`). A token
carries the sums it was made with; both terms rise, so a changed sum means that something was revoked since. Comparing
sums instead of times makes revocation exact whatever the resolution and the skew of clocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from common.context import AccessRule
from common.db.models import (
    Assignment,
    Domain,
    GroupMember,
    ImpliedRole,
    Project,
    RevokedToken,
    Role,
    User,
)
from common.db.upsert import insert_ignore

SYSTEM_TARGET = "all"
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Scope:
    """What a token is for: one of the three, or nothing (unscoped)."""

    project_id: str | None = None
    domain_id: str | None = None
    system: bool = False

    def __bool__(self) -> bool:
        return bool(self.project_id or self.domain_id or self.system)


@dataclass(frozen=True)
class Named:
    id: str
    name: str


@dataclass(frozen=True)
class CredentialUsed:
    """The application credential that a token was made with. rules None: good for any request."""

    id: str
    name: str
    unrestricted: bool
    rules: tuple[AccessRule, ...] | None


@dataclass(frozen=True)
class TrustUsed:
    """The trust that a token was made with."""

    id: str
    trustor_user_id: str
    trustee_user_id: str
    impersonation: bool
    expires_at: datetime | None


@dataclass(frozen=True)
class Subject:
    """An enabled user in an enabled scope, with the global roles held there: assigned, inherited, implied, by groups."""

    user: Named
    user_domain: Named
    default_project_id: str | None
    user_epoch: int
    scope_epoch: int = 0
    project: Named | None = None
    project_domain: Named | None = None
    domain: Named | None = None
    system: bool = False
    roles: tuple[Named, ...] = ()
    revoked: bool = False
    application_credential: CredentialUsed | None = None
    trust: TrustUsed | None = None

    @property
    def scoped(self) -> bool:
        return self.project is not None or self.domain is not None or self.system


_user_domain = aliased(Domain, name="user_domain")
_scope_domain = aliased(Domain, name="scope_domain")
_USER = (
    User.id.label("user_id"),
    User.name.label("user_name"),
    User.enabled.label("user_enabled"),
    User.default_project_id,
    User.tokens_valid_after.label("user_epoch"),
    _user_domain.id.label("user_domain_id"),
    _user_domain.name.label("user_domain_name"),
    _user_domain.enabled.label("user_domain_enabled"),
    _user_domain.tokens_valid_after.label("user_domain_epoch"),
    sa.exists().where(RevokedToken.audit_id.in_((sa.bindparam("audit_id"), sa.bindparam("chain_id")))).label("revoked"),
)
_DOMAIN = (
    _scope_domain.id.label("domain_id"),
    _scope_domain.name.label("domain_name"),
    _scope_domain.enabled.label("domain_enabled"),
    _scope_domain.tokens_valid_after.label("domain_epoch"),
)
_PROJECT = (
    Project.id.label("project_id"),
    Project.name.label("project_name"),
    Project.enabled.label("project_enabled"),
    Project.tokens_valid_after.label("project_epoch"),
)
_ROLE = (Role.id.label("role_id"), Role.name.label("role_name"))
_MEMBERSHIPS = sa.select(GroupMember.group_id).where(GroupMember.user_id == sa.bindparam("user_id"))
_OF_USER = sa.or_(
    sa.and_(Assignment.actor_type == "user", Assignment.actor_id == sa.bindparam("user_id")),
    sa.and_(Assignment.actor_type == "group", Assignment.actor_id.in_(_MEMBERSHIPS)),
)


def _ancestors() -> sa.Select[tuple[str | None]]:
    """The ids of the projects that the project `target_id` lies below."""
    line = (
        sa.select(Project.id, Project.parent_id)
        .where(Project.id == sa.bindparam("target_id"))
        .cte("line", recursive=True)
    )
    parent = aliased(Project, name="parent")
    line = line.union(sa.select(parent.id, parent.parent_id).join(line, parent.id == line.c.parent_id))
    return sa.select(line.c.parent_id)


_DOMAIN_OF_PROJECT = (
    sa.select(Project.domain_id).where(Project.id == sa.bindparam("target_id")).correlate(None).scalar_subquery()
)
_ON_PROJECT = sa.or_(
    sa.and_(
        Assignment.target_type == "project",
        Assignment.target_id == sa.bindparam("target_id"),
        Assignment.inherited.is_(False),
    ),
    sa.and_(Assignment.target_type == "project", Assignment.target_id.in_(_ancestors()), Assignment.inherited),
    sa.and_(Assignment.target_type == "domain", Assignment.target_id == _DOMAIN_OF_PROJECT, Assignment.inherited),
)
_ON_DOMAIN = sa.and_(
    Assignment.target_type == "domain",
    Assignment.target_id == sa.bindparam("target_id"),
    Assignment.inherited.is_(False),
)
_ON_SYSTEM = sa.and_(Assignment.target_type == "system", Assignment.target_id == SYSTEM_TARGET)


def _held(on: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    """Roles that the user holds there, itself or through a group, with all that they imply.

    A domain's own roles are never in tokens; what they imply is.
    """
    return in_tokens(sa.select(Assignment.role_id).where(_OF_USER, on))


def in_tokens(role_ids: sa.Select[str]) -> sa.ColumnElement[bool]:
    """Roles that these (one column, `role_id`) and all that they imply bring into a token."""
    held = role_ids.cte("held", recursive=True)
    held = held.union(sa.select(ImpliedRole.implied_role_id).join(held, ImpliedRole.prior_role_id == held.c.role_id))
    return sa.and_(Role.id.in_(sa.select(held.c.role_id)), Role.domain_id == "")


def _statement(columns: Sequence[Any]) -> sa.Select[*tuple[Any, ...]]:
    return (
        sa.select(*_USER, *columns)
        .select_from(User)
        .join(_user_domain, _user_domain.id == User.domain_id)
        .where(User.id == sa.bindparam("user_id"))
    )


_UNSCOPED = _statement(())
_IN_PROJECT = (
    _statement((*_PROJECT, *_DOMAIN, *_ROLE))
    .join(Project, Project.id == sa.bindparam("target_id"))
    .join(_scope_domain, _scope_domain.id == Project.domain_id)
    .outerjoin(Role, _held(_ON_PROJECT))
)
_IN_DOMAIN = (
    _statement((*_DOMAIN, *_ROLE))
    .join(_scope_domain, _scope_domain.id == sa.bindparam("target_id"))
    .outerjoin(Role, _held(_ON_DOMAIN))
)
_IN_SYSTEM = _statement(_ROLE).outerjoin(Role, _held(_ON_SYSTEM))


def load_subject(
    session: Session, user_id: str, scope: Scope, audit_id: str = "", chain_id: str = ""
) -> Subject | None:
    """The user in the scope as they are now; None when either is unknown or disabled, or its domain is."""
    statement, target_id = _IN_SYSTEM, None
    if scope.project_id:
        statement, target_id = _IN_PROJECT, scope.project_id
    elif scope.domain_id:
        statement, target_id = _IN_DOMAIN, scope.domain_id
    elif not scope.system:
        statement = _UNSCOPED
    values = {"user_id": user_id, "audit_id": audit_id, "chain_id": chain_id}
    if target_id is not None:
        values["target_id"] = target_id
    # the connection, not the session: columns only, and half the time of the ORM's way, on every request
    rows = session.connection().execute(statement, values).mappings().all()
    if not rows:
        return None
    first = dict(rows[0])
    if not all(
        first.get(key, True) for key in ("user_enabled", "user_domain_enabled", "project_enabled", "domain_enabled")
    ):
        return None
    roles = {row["role_id"]: row["role_name"] for row in rows if row.get("role_id")}
    by_name = sorted(roles.items(), key=lambda item: item[1])
    return _subject(first, scope, tuple(Named(role_id, name) for role_id, name in by_name))


def _subject(row: dict[str, Any], scope: Scope, roles: tuple[Named, ...]) -> Subject:
    scope_domain = Named(row["domain_id"], row["domain_name"]) if "domain_id" in row else None
    project = Named(row["project_id"], row["project_name"]) if "project_id" in row else None
    return Subject(
        user=Named(row["user_id"], row["user_name"]),
        user_domain=Named(row["user_domain_id"], row["user_domain_name"]),
        default_project_id=row["default_project_id"],
        user_epoch=_microseconds(row["user_epoch"]) + _microseconds(row["user_domain_epoch"]),
        scope_epoch=sum(_microseconds(row[key]) for key in ("project_epoch", "domain_epoch") if key in row),
        project=project,
        project_domain=scope_domain if project else None,
        domain=None if project else scope_domain,
        system=scope.system,
        roles=roles,
        revoked=bool(row["revoked"]),
    )


def epoch_of(user: User, domain: Domain) -> int:
    """The user's epoch, from rows already read."""
    return _microseconds(user.tokens_valid_after) + _microseconds(domain.tokens_valid_after)


def next_epoch(present: datetime, now: datetime) -> datetime:
    """What to set tokens_valid_after to, so that every token made until now dies: it always rises."""
    return max(now, present + timedelta(microseconds=1))


def _microseconds(moment: datetime) -> int:
    return (moment - _BEGINNING) // timedelta(microseconds=1)


def revoke(session: Session, audit_id: str, expires_at: datetime, now: datetime) -> None:
    """Revoke one token, or the whole chain when it is a chain's first; drops what has expired anyway (DOS-11)."""
    session.execute(sa.delete(RevokedToken).where(RevokedToken.expires_at < now))
    insert_ignore(session, RevokedToken, [{"audit_id": audit_id, "expires_at": expires_at}])
