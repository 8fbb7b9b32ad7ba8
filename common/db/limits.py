"""Unified limits: registered ones with their defaults, and the limits that projects and domains have instead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from common.db import paging
from common.db.models import Project, ProjectLimit, RegisteredLimit
from common.errors import AlreadyExists, Forbidden, NotFound
from common.ids import new_hex_id

Limit = tuple[ProjectLimit, RegisteredLimit]


def get_registered(session: Session, limit_id: str) -> RegisteredLimit:
    """Raises NotFound."""
    found = session.get(RegisteredLimit, limit_id, populate_existing=True)
    if found is None:
        raise NotFound(f"Could not find registered limit for id: {limit_id}.")
    return found


def page_registered(session: Session, filters: Mapping[str, Any], page: paging.Page) -> list[RegisteredLimit]:
    """Filters: service_id, region_id, resource_name."""
    query = sa.select(RegisteredLimit).filter_by(**filters)
    return paging.fetch(
        session, query, page, columns={"id": RegisteredLimit.id}, default=[("id", False)], key=RegisteredLimit.id
    )


def create_registered(session: Session, values: Mapping[str, Any]) -> RegisteredLimit:
    """Raises AlreadyExists for a second one of the same service, region and resource."""
    limit = RegisteredLimit(id=new_hex_id(), key=_registered_key(values), **values)
    session.add(limit)
    _flush(session, "registered limit")
    return limit


def update_registered(session: Session, limit: RegisteredLimit, changes: Mapping[str, Any]) -> None:
    """Raises Forbidden while projects have limits of their own instead, AlreadyExists."""
    _check_unused(session, limit)
    for key, value in changes.items():
        setattr(limit, key, value)
    limit.key = _registered_key(
        {"service_id": limit.service_id, "region_id": limit.region_id, "resource_name": limit.resource_name}
    )
    _flush(session, "registered limit")


def delete_registered(session: Session, limit: RegisteredLimit) -> None:
    """Raises Forbidden while projects have limits of their own instead."""
    _check_unused(session, limit)
    session.delete(limit)
    session.flush()


def find_registered(
    session: Session, service_id: str, region_id: str | None, resource_name: str
) -> RegisteredLimit | None:
    key = _registered_key({"service_id": service_id, "region_id": region_id, "resource_name": resource_name})
    return session.scalar(sa.select(RegisteredLimit).where(RegisteredLimit.key == key))


def get(session: Session, limit_id: str) -> Limit:
    """Raises NotFound."""
    limit = session.get(ProjectLimit, limit_id, populate_existing=True)
    if limit is None:
        raise NotFound(f"Could not find limit for id: {limit_id}.")
    return limit, get_registered(session, limit.registered_limit_id)


def page(
    session: Session, filters: Mapping[str, Any], page: paging.Page, *, within_domain: str | None = None
) -> list[Limit]:
    """Filters: service_id, region_id, resource_name, project_id, domain_id. within_domain: its own and its projects'."""
    query = sa.select(ProjectLimit).join(RegisteredLimit, RegisteredLimit.id == ProjectLimit.registered_limit_id)
    for name, value in filters.items():
        table = ProjectLimit if name in ("project_id", "domain_id") else RegisteredLimit
        query = query.where(getattr(table, name) == value)
    if within_domain is not None:
        projects = sa.select(Project.id).where(Project.domain_id == within_domain)
        query = query.where(sa.or_(ProjectLimit.domain_id == within_domain, ProjectLimit.project_id.in_(projects)))
    limits = paging.fetch(
        session, query, page, columns={"id": ProjectLimit.id}, default=[("id", False)], key=ProjectLimit.id
    )
    wanted = {limit.registered_limit_id for limit in limits}
    found = session.scalars(sa.select(RegisteredLimit).where(RegisteredLimit.id.in_(wanted)))
    registered = {row.id: row for row in found}
    return [(limit, registered[limit.registered_limit_id]) for limit in limits]


def create(session: Session, registered: RegisteredLimit, values: Mapping[str, Any]) -> Limit:
    """Raises AlreadyExists for a second one of the same project or domain."""
    key = "/".join((registered.id, values.get("project_id") or "", values.get("domain_id") or ""))
    limit = ProjectLimit(id=new_hex_id(), key=key, registered_limit_id=registered.id, **values)
    session.add(limit)
    _flush(session, "limit")
    return limit, registered


def update(session: Session, limit: ProjectLimit, changes: Mapping[str, Any]) -> None:
    for key, value in changes.items():
        setattr(limit, key, value)
    session.flush()


def delete(session: Session, limit: ProjectLimit) -> None:
    session.delete(limit)
    session.flush()


def _registered_key(values: Mapping[str, Any]) -> str:
    return "/".join((values["service_id"], values.get("region_id") or "", values["resource_name"]))


def _check_unused(session: Session, limit: RegisteredLimit) -> None:
    if session.scalar(sa.select(ProjectLimit.id).where(ProjectLimit.registered_limit_id == limit.id).limit(1)):
        raise Forbidden(
            f"Unable to update or delete registered limit {limit.id} because there are project limits associated with it."
        )


def _flush(session: Session, what: str) -> None:
    try:
        session.flush()
    except IntegrityError as err:
        raise AlreadyExists(f"Conflict occurred attempting to store {what} - Duplicate entry.") from err
