"""Domains: what users and projects belong to."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from common.db import paging
from common.db.assignments import of_user as of_user_assignments
from common.db.models import Assignment, Domain, Group, Project, Role, User
from common.db.named import name_conditions
from common.db.tokens import next_epoch
from common.errors import AlreadyExists, Conflict, Forbidden, NotFound
from common.ids import new_hex_id

DEFAULT_ID = "default"


def get(session: Session, domain_id: str) -> Domain:
    """Raises NotFound."""
    found = session.get(Domain, domain_id, populate_existing=True)
    if found is None:
        raise NotFound(f"Could not find domain: {domain_id}.")
    return found


def find(session: Session, *, domain_id: str | None = None, name: str | None = None) -> Domain | None:
    """By id, else by name."""
    if domain_id is not None:
        return session.get(Domain, domain_id)
    return session.scalar(sa.select(Domain).where(Domain.name == name))


def page(session: Session, filters: Mapping[str, Any], page: paging.Page) -> list[Domain]:
    """Filters: id, enabled, name and its comparisons."""
    query = sa.select(Domain).where(*name_conditions(Domain, filters))
    return paging.fetch(session, query, page, columns={"name": Domain.name}, default=[("name", False)], key=Domain.id)


def of_user(session: Session, user_id: str) -> list[Domain]:
    """Enabled domains in which the user has a role of its own (not one that projects inherit)."""
    mine = sa.select(Assignment.target_id).where(
        of_user_assignments(user_id), Assignment.target_type == "domain", Assignment.inherited.is_(False)
    )
    return list(session.scalars(sa.select(Domain).where(Domain.id.in_(mine), Domain.enabled).order_by(Domain.name)))


def create(session: Session, values: Mapping[str, Any], now: datetime) -> Domain:
    """Raises AlreadyExists when the name is taken."""
    domain = Domain(
        id=values.get("id") or new_hex_id(),
        tokens_valid_after=now,
        created_at=now,
        **{key: value for key, value in values.items() if key != "id"},
    )
    session.add(domain)
    _flush(session, domain.name)
    return domain


def update(session: Session, domain: Domain, changes: Mapping[str, Any], now: datetime) -> None:
    """Disabling kills the tokens of its users and projects for good. Raises AlreadyExists when the name is taken."""
    if changes.get("enabled") is False and domain.enabled:
        domain.tokens_valid_after = next_epoch(domain.tokens_valid_after, now)
    for key, value in changes.items():
        setattr(domain, key, value)
    _flush(session, domain.name)


def delete(session: Session, domain: Domain) -> None:
    """With its users, groups, projects, roles, and all assignments on them. Raises Forbidden while it is enabled, Conflict."""
    if domain.id == DEFAULT_ID:
        raise Forbidden("You are not authorized to perform the requested action: delete the default domain.")
    if domain.enabled:
        raise Forbidden(
            "You are not authorized to perform the requested action: Cannot delete a domain that is enabled, please "
            "disable it first.."
        )
    domain_id = domain.id
    users = sa.select(User.id).where(User.domain_id == domain.id)
    groups = sa.select(Group.id).where(Group.domain_id == domain.id)
    projects = sa.select(Project.id).where(Project.domain_id == domain.id)
    session.execute(
        sa.delete(Assignment).where(
            sa.or_(
                sa.and_(Assignment.actor_type == "user", Assignment.actor_id.in_(users)),
                sa.and_(Assignment.actor_type == "group", Assignment.actor_id.in_(groups)),
                sa.and_(Assignment.target_type == "project", Assignment.target_id.in_(projects)),
                sa.and_(Assignment.target_type == "domain", Assignment.target_id == domain.id),
            )
        )
    )
    session.execute(
        sa.update(User)
        .where(User.default_project_id.in_(projects))
        .values(default_project_id=None)
        .execution_options(synchronize_session=False)
    )
    for model in (Group, User, Project, Role):
        session.execute(sa.delete(model).where(model.domain_id == domain.id))
    session.delete(domain)
    try:
        session.flush()
    except IntegrityError as err:
        raise Conflict(f"Something was added to domain {domain_id} while it was being deleted; try again.") from err


def _flush(session: Session, name: str) -> None:
    try:
        session.flush()
    except IntegrityError as err:
        raise AlreadyExists(
            f"Conflict occurred attempting to store domain - Duplicate entry found with name {name}."
        ) from err
