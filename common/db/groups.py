"""Groups of users, and who is in which."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from common.db import paging
from common.db.models import Assignment, Group, GroupMember, User
from common.db.named import name_conditions
from common.db.upsert import insert_ignore
from common.errors import AlreadyExists, NotFound
from common.ids import new_hex_id


def get(session: Session, group_id: str) -> Group:
    """Raises NotFound."""
    found = session.get(Group, group_id, populate_existing=True)
    if found is None:
        raise NotFound(f"Could not find group: {group_id}.")
    return found


def page(session: Session, filters: Mapping[str, Any], page: paging.Page) -> list[Group]:
    """Filters: id, domain_id, name and its comparisons."""
    query = sa.select(Group).where(*name_conditions(Group, filters))
    return paging.fetch(session, query, page, columns={"name": Group.name}, default=[("name", False)], key=Group.id)


def of_user(session: Session, user_id: str, filters: Mapping[str, Any], page: paging.Page) -> list[Group]:
    """The groups that the user is in. Filters: as `page`."""
    mine = sa.select(GroupMember.group_id).where(GroupMember.user_id == user_id)
    query = sa.select(Group).where(Group.id.in_(mine), *name_conditions(Group, filters))
    return paging.fetch(session, query, page, columns={"name": Group.name}, default=[("name", False)], key=Group.id)


def users_of(session: Session, group_id: str, filters: Mapping[str, Any], page: paging.Page) -> list[User]:
    """The users in the group. Filters: as users.page."""
    members = sa.select(GroupMember.user_id).where(GroupMember.group_id == group_id)
    query = sa.select(User).where(User.id.in_(members), *name_conditions(User, filters))
    return paging.fetch(session, query, page, columns={"name": User.name}, default=[("name", False)], key=User.id)


def create(session: Session, values: Mapping[str, Any]) -> Group:
    """Raises AlreadyExists when the name is taken in its domain."""
    group = Group(id=new_hex_id(), **values)
    session.add(group)
    _flush(session, group.name)
    return group


def update(session: Session, group: Group, changes: Mapping[str, Any]) -> None:
    """Raises AlreadyExists when the name is taken in its domain."""
    for key, value in changes.items():
        setattr(group, key, value)
    _flush(session, group.name)


def delete(session: Session, group: Group) -> None:
    """With its assignments: its users lose what they had by it at their next request."""
    session.execute(sa.delete(Assignment).where(Assignment.actor_type == "group", Assignment.actor_id == group.id))
    session.delete(group)
    session.flush()


def add_user(session: Session, group_id: str, user_id: str) -> None:
    """Idempotent."""
    insert_ignore(session, GroupMember, [{"group_id": group_id, "user_id": user_id}])


def has_user(session: Session, group_id: str, user_id: str) -> bool:
    return session.get(GroupMember, (group_id, user_id)) is not None


def remove_user(session: Session, group_id: str, user_id: str) -> bool:
    """False: the user was not in the group."""
    done = session.execute(
        sa.delete(GroupMember).where(GroupMember.group_id == group_id, GroupMember.user_id == user_id)
    )
    return bool(done.rowcount)  # type: ignore[attr-defined]


def _flush(session: Session, name: str) -> None:
    try:
        session.flush()
    except IntegrityError as err:
        raise AlreadyExists(
            f"Conflict occurred attempting to store group - Duplicate entry found with name {name}."
        ) from err
