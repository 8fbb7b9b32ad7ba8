"""The catalogue: regions, services and their endpoints."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from common.db import paging
from common.db.models import Endpoint, IdentityService, Region
from common.db.upsert import insert_ignore
from common.errors import AlreadyExists, Forbidden, InvalidRequest, NotFound
from common.ids import new_hex_id


def enabled_endpoints(
    session: Session, visible: Collection[str] | None = None
) -> Sequence[tuple[IdentityService, Endpoint | None]]:
    """Every enabled service with its enabled endpoints, in one statement; a service without one comes with None.

    visible: the ids of those that count, with their services alone; None: all.
    """
    query = (
        sa.select(IdentityService, Endpoint)
        .outerjoin(Endpoint, sa.and_(Endpoint.service_id == IdentityService.id, Endpoint.enabled))
        .where(IdentityService.enabled)
        .order_by(IdentityService.type, IdentityService.id, Endpoint.interface, Endpoint.id)
    )
    rows = [(row[0], row[1]) for row in session.execute(query)]
    return rows if visible is None else [row for row in rows if row[1] is not None and row[1].id in visible]


def get_region(session: Session, region_id: str) -> Region:
    """Raises NotFound."""
    found = session.get(Region, region_id, populate_existing=True)
    if found is None:
        raise NotFound(f"Could not find region: {region_id}.")
    return found


def page_regions(session: Session, filters: Mapping[str, Any], page: paging.Page) -> list[Region]:
    """Filters: parent_region_id."""
    query = sa.select(Region).filter_by(**filters)
    return paging.fetch(session, query, page, columns={"id": Region.id}, default=[("id", False)], key=Region.id)


def create_region(session: Session, values: Mapping[str, Any]) -> Region:
    """Raises AlreadyExists when the id is taken."""
    region = Region(**{**values, "id": values.get("id") or new_hex_id()})
    region_id = region.id
    session.add(region)
    try:
        session.flush()
    except IntegrityError as err:
        raise AlreadyExists(f"Conflict occurred attempting to store region - Duplicate ID, {region_id}.") from err
    return region


def ensure_region(session: Session, region_id: str) -> None:
    """Made with nothing but its id when there is none."""
    insert_ignore(session, Region, [{"id": region_id, "description": "", "parent_region_id": None}])


def delete_region(session: Session, region: Region) -> None:
    """Raises Forbidden while it, or a region below it, has endpoints; regions below it move to the top."""
    region_id = region.id
    session.execute(
        sa.update(Region)
        .where(Region.parent_region_id == region_id)
        .values(parent_region_id=None)
        .execution_options(synchronize_session=False)
    )
    session.delete(region)
    try:
        session.flush()
    except IntegrityError as err:
        raise Forbidden(
            f"Unable to delete region {region_id} because it or its child regions have associated endpoints."
        ) from err


def get_service(session: Session, service_id: str) -> IdentityService:
    """Raises NotFound."""
    found = session.get(IdentityService, service_id, populate_existing=True)
    if found is None:
        raise NotFound(f"Could not find service: {service_id}.")
    return found


def page_services(session: Session, filters: Mapping[str, Any], page: paging.Page) -> list[IdentityService]:
    """Filters: id, type, name."""
    query = sa.select(IdentityService).filter_by(**filters)
    return paging.fetch(
        session, query, page, columns={"type": IdentityService.type}, default=[("type", False)], key=IdentityService.id
    )


def create_service(session: Session, values: Mapping[str, Any]) -> IdentityService:
    service = IdentityService(**{**values, "id": values.get("id") or new_hex_id()})
    session.add(service)
    session.flush()
    return service


def get_endpoint(session: Session, endpoint_id: str) -> Endpoint:
    """Raises NotFound."""
    found = session.get(Endpoint, endpoint_id, populate_existing=True)
    if found is None:
        raise NotFound(f"Could not find endpoint: {endpoint_id}.")
    return found


def page_endpoints(session: Session, filters: Mapping[str, Any], page: paging.Page) -> list[Endpoint]:
    """Filters: id, interface, service_id, region_id."""
    query = sa.select(Endpoint).filter_by(**filters)
    return paging.fetch(session, query, page, columns={"id": Endpoint.id}, default=[("id", False)], key=Endpoint.id)


def create_endpoint(session: Session, values: Mapping[str, Any]) -> Endpoint:
    """Raises InvalidRequest when its service or region is not there (any more)."""
    endpoint = Endpoint(**{**values, "id": values.get("id") or new_hex_id()})
    session.add(endpoint)
    _flush(session)
    return endpoint


def update(session: Session, row: Region | IdentityService | Endpoint, changes: Mapping[str, Any]) -> None:
    """Raises InvalidRequest when an endpoint's service or region is not there (any more)."""
    for key, value in changes.items():
        setattr(row, key, value)
    _flush(session)


def _flush(session: Session) -> None:
    try:
        session.flush()
    except IntegrityError as err:
        raise InvalidRequest("The service or the region of the endpoint does not exist.") from err


def delete(session: Session, row: IdentityService | Endpoint) -> None:
    """A service goes with its endpoints."""
    session.delete(row)
    session.flush()
