"""Role assignments: which user or group has which role on which project, domain or the system."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from common.db import application_credentials
from common.db.models import Assignment, GroupMember, Role
from common.db.tokens import SYSTEM_TARGET
from common.db.upsert import insert_ignore
from common.errors import NotFound


@dataclass(frozen=True)
class Actor:
    """kind: user or group."""

    kind: str
    id: str


@dataclass(frozen=True)
class Target:
    """kind: project, domain or system (id "all"). inherited: by the projects below, not for the thing itself."""

    kind: str
    id: str
    inherited: bool = False


def add(session: Session, actor: Actor, role_id: str, target: Target) -> bool:
    """False: it was there already. Raises NotFound when the role has just been deleted."""
    row = {
        "actor_type": actor.kind,
        "actor_id": actor.id,
        "target_type": target.kind,
        "target_id": target.id,
        "role_id": role_id,
        "inherited": target.inherited,
    }
    try:
        return insert_ignore(session, Assignment, [row]) == 1
    except IntegrityError as err:
        raise NotFound(f"Could not find role: {role_id}.") from err


def remove(session: Session, actor: Actor, role_id: str, target: Target) -> bool:
    """False: there was none. The user's application credentials in the project go with its role there."""
    done = session.execute(sa.delete(Assignment).where(*_exactly(actor, target), Assignment.role_id == role_id))
    if actor.kind == "user" and target.kind == "project":
        application_credentials.delete_of(session, actor.id, target.id)
    return bool(done.rowcount)  # type: ignore[attr-defined]


def exists(session: Session, actor: Actor, role_id: str, target: Target) -> bool:
    return bool(session.scalar(sa.select(sa.exists().where(*_exactly(actor, target), Assignment.role_id == role_id))))


def roles_on(session: Session, actor: Actor, target: Target) -> list[Role]:
    """The roles assigned to the user or group on exactly this target."""
    query = sa.select(Role).join(Assignment, Assignment.role_id == Role.id).where(*_exactly(actor, target))
    return list(session.scalars(query.order_by(Role.name)))


def of_user(user_id: str) -> sa.ColumnElement[bool]:
    """Assignments of the user itself and of its groups."""
    groups = sa.select(GroupMember.group_id).where(GroupMember.user_id == user_id)
    return sa.or_(
        sa.and_(Assignment.actor_type == "user", Assignment.actor_id == user_id),
        sa.and_(Assignment.actor_type == "group", Assignment.actor_id.in_(groups)),
    )


def has_system_role(session: Session, user_id: str) -> bool:
    on_system = sa.and_(Assignment.target_type == "system", Assignment.target_id == SYSTEM_TARGET)
    return bool(session.scalar(sa.select(sa.exists().where(of_user(user_id), on_system))))


def _exactly(actor: Actor, target: Target) -> Iterable[sa.ColumnElement[bool]]:
    return (
        Assignment.actor_type == actor.kind,
        Assignment.actor_id == actor.id,
        Assignment.target_type == target.kind,
        Assignment.target_id == target.id,
        Assignment.inherited.is_(target.inherited),
    )
