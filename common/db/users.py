"""Users: who may log in. Password hashes are written here and read by the login only."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from common.db import paging
from common.db.models import Assignment, Domain, User
from common.db.named import name_conditions
from common.db.tokens import next_epoch
from common.errors import AlreadyExists, NotFound
from common.ids import new_hex_id


def get(session: Session, user_id: str) -> User:
    """Raises NotFound."""
    found = session.get(User, user_id, populate_existing=True)
    if found is None:
        raise NotFound(f"Could not find user: {user_id}.")
    return found


def find_for_login(
    session: Session,
    *,
    user_id: str | None = None,
    name: str | None = None,
    domain_id: str | None = None,
    domain_name: str | None = None,
) -> tuple[User, Domain] | None:
    """By id, else by name and domain (its id or its name); one statement whether anybody is found or not."""
    query = sa.select(User, Domain).join(Domain, Domain.id == User.domain_id)
    if user_id is not None:
        query = query.where(User.id == user_id)
    else:
        query = query.where(User.name == name, Domain.id == domain_id if domain_id else Domain.name == domain_name)
    row = session.execute(query).first()
    return (row[0], row[1]) if row else None


def page(session: Session, filters: Mapping[str, Any], page: paging.Page) -> list[User]:
    """Filters: id, domain_id, enabled, name and its comparisons."""
    query = sa.select(User).where(*name_conditions(User, filters))
    return paging.fetch(session, query, page, columns={"name": User.name}, default=[("name", False)], key=User.id)


def create(session: Session, values: Mapping[str, Any], now: datetime) -> User:
    """Raises AlreadyExists when the name is taken in its domain."""
    user = User(
        id=values.get("id") or new_hex_id(),
        tokens_valid_after=now,
        created_at=now,
        password_changed_at=now if values.get("password_hash") else None,
        **{key: value for key, value in values.items() if key != "id"},
    )
    session.add(user)
    _flush(session, user)
    return user


def update(session: Session, user: User, changes: Mapping[str, Any], now: datetime) -> None:
    """Disabling, or a new password_hash, kills the user's tokens for good. Raises AlreadyExists (name)."""
    if "password_hash" in changes:
        user.password_changed_at = now
    if "password_hash" in changes or (changes.get("enabled") is False and user.enabled):
        user.tokens_valid_after = next_epoch(user.tokens_valid_after, now)
    for key, value in changes.items():
        setattr(user, key, value)
    _flush(session, user)


def delete(session: Session, user: User) -> None:
    """With the user's assignments."""
    session.execute(sa.delete(Assignment).where(Assignment.actor_type == "user", Assignment.actor_id == user.id))
    session.delete(user)
    session.flush()


def _flush(session: Session, user: User) -> None:
    name, domain_id = user.name, user.domain_id
    try:
        session.flush()
    except IntegrityError as err:
        raise AlreadyExists(
            f"Conflict occurred attempting to store user - Duplicate entry found with name {name} "
            f"at domain ID {domain_id}."
        ) from err
