"""Roles. What admin, manager, member and reader may do, and that each implies the next, is api/policy.py's business."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from common.db import paging
from common.db.models import Role
from common.errors import AlreadyExists, Forbidden, NotFound
from common.ids import new_hex_id

GLOBAL = ""
"""domain_id of roles that belong to no domain: the only ones that tokens carry."""


def get(session: Session, role_id: str) -> Role:
    """Raises NotFound."""
    found = session.get(Role, role_id, populate_existing=True)
    if found is None:
        raise NotFound(f"Could not find role: {role_id}.")
    return found


def global_named(session: Session, names: Iterable[str]) -> list[Role]:
    """The global roles of these names, compared without case, as expanded role names are lower-case."""
    wanted = sorted(names)
    query = sa.select(Role).where(Role.domain_id == GLOBAL, sa.func.lower(Role.name).in_(wanted))
    return list(session.scalars(query.order_by(Role.name)))


def page(session: Session, filters: Mapping[str, Any], page: paging.Page) -> list[Role]:
    """Filters: id, name, domain_id."""
    query = sa.select(Role).filter_by(**filters)
    return paging.fetch(session, query, page, columns={"name": Role.name}, default=[("name", False)], key=Role.id)


def create(session: Session, values: Mapping[str, Any]) -> Role:
    """Raises AlreadyExists when the name is taken."""
    role = Role(id=values.get("id") or new_hex_id(), **{key: value for key, value in values.items() if key != "id"})
    session.add(role)
    _flush(session, role.name)
    return role


def update(session: Session, role: Role, changes: Mapping[str, Any]) -> None:
    """Raises AlreadyExists when the name is taken, Forbidden when the role is immutable and stays so."""
    if _immutable(role) and changes.get("options", {}).get("immutable") is not False:
        raise _refuse("update", role)
    for key, value in changes.items():
        setattr(role, key, value)
    _flush(session, role.name)


def delete(session: Session, role: Role) -> None:
    """With its assignments. Raises Forbidden when the role is immutable."""
    if _immutable(role):
        raise _refuse("delete", role)
    session.delete(role)
    session.flush()


def _immutable(role: Role) -> bool:
    return role.options.get("immutable") is True


def _refuse(verb: str, role: Role) -> Forbidden:
    return Forbidden(f'Unable to {verb} immutable role: `{role.id}`. Set resource option "immutable" to false first.')


def _flush(session: Session, name: str) -> None:
    try:
        session.flush()
    except IntegrityError as err:
        raise AlreadyExists(
            f"Conflict occurred attempting to store role - Duplicate entry found with name {name}."
        ) from err
