"""Roles and which implies which. What admin, manager, member and reader may do is api/policy.py's business."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, aliased

from common.db import paging
from common.db.models import ImpliedRole, Role
from common.db.named import name_conditions
from common.db.upsert import insert_ignore
from common.errors import AlreadyExists, Forbidden, InvalidRequest, NotFound
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


def by_id(session: Session, ids: Sequence[str]) -> dict[str, Role]:
    """Those of the roles that there are."""
    return {role.id: role for role in session.scalars(sa.select(Role).where(Role.id.in_(ids)))}


def page(session: Session, filters: Mapping[str, Any], page: paging.Page) -> list[Role]:
    """Filters: id, domain_id, name and its comparisons."""
    query = sa.select(Role).where(*name_conditions(Role, filters))
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


def inferences(session: Session, prior_role_id: str | None = None) -> list[tuple[Role, Role]]:
    """Prior and implied role of every rule, or of one prior role's."""
    prior, implied = aliased(Role), aliased(Role)
    query = (
        sa.select(prior, implied)
        .join(ImpliedRole, ImpliedRole.prior_role_id == prior.id)
        .join(implied, implied.id == ImpliedRole.implied_role_id)
        .order_by(prior.name, prior.id, implied.name, implied.id)
    )
    if prior_role_id is not None:
        query = query.where(prior.id == prior_role_id)
    return [(row[0], row[1]) for row in session.execute(query)]


def implies(session: Session, prior_role_id: str, implied_role_id: str) -> bool:
    return session.get(ImpliedRole, (prior_role_id, implied_role_id)) is not None


def add_inference(session: Session, prior: Role, implied: Role) -> None:
    """Idempotent. Raises InvalidRequest when the role would imply itself, Forbidden for one that nothing may imply."""
    if implied.name.lower() == "admin":
        raise Forbidden(f"Invalid implied role {implied.id}: nothing may imply an administrator.")
    if implied.domain_id and not prior.domain_id:
        raise Forbidden(f"Domain specific role {implied.id} can't be implied by a global role.")
    if prior.id == implied.id or prior.id in _implied_by(session, implied.id):
        raise InvalidRequest(f"Role {prior.id} would imply itself.")
    insert_ignore(session, ImpliedRole, [{"prior_role_id": prior.id, "implied_role_id": implied.id}])


def remove_inference(session: Session, prior_role_id: str, implied_role_id: str) -> bool:
    """False: there was no such rule."""
    done = session.execute(
        sa.delete(ImpliedRole).where(
            ImpliedRole.prior_role_id == prior_role_id, ImpliedRole.implied_role_id == implied_role_id
        )
    )
    return bool(done.rowcount)  # type: ignore[attr-defined]


def _implied_by(session: Session, role_id: str) -> set[str]:
    reached = sa.select(ImpliedRole.implied_role_id).where(ImpliedRole.prior_role_id == role_id)
    found = reached.cte("reached", recursive=True)
    found = found.union(
        sa.select(ImpliedRole.implied_role_id).join(found, ImpliedRole.prior_role_id == found.c.implied_role_id)
    )
    return set(session.scalars(sa.select(found.c.implied_role_id)))


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
