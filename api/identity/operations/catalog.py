"""What the calls about regions, services and endpoints mean."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from api.identity.bodies import check_immutable
from api.request import Services
from common.db import catalog
from common.db.models import Endpoint, IdentityService, Region
from common.db.paging import Page
from common.errors import InvalidRequest, NotFound

MAX_REGION_DEPTH = 16
_ALLOWED_SUBSTITUTIONS = ("project_id", "tenant_id", "user_id")
_SUBSTITUTION = re.compile(r"[$%]\((\w*)\)(s?)")


def list_regions(services: Services, filters: Mapping[str, Any], page: Page) -> list[Region]:
    with services.db.read() as session:
        return catalog.page_regions(session, filters, page)


def show_region(services: Services, region_id: str) -> Region:
    """Raises NotFound."""
    with services.db.read() as session:
        return catalog.get_region(session, region_id)


def create_region(services: Services, given: Mapping[str, Any]) -> Region:
    """Raises AlreadyExists, NotFound (parent)."""
    values = {**given, "description": given.get("description") or ""}

    def work(session: Session) -> Region:
        if given.get("parent_region_id"):
            catalog.get_region(session, given["parent_region_id"])
        return catalog.create_region(session, values)

    return services.db.run(work)


def update_region(services: Services, region_id: str, given: dict[str, Any]) -> Region:
    """Raises NotFound (also the parent), InvalidRequest for a parent that lies below it."""
    changes = _texts(check_immutable(given, {"id": region_id}), ("description",))

    def work(session: Session) -> Region:
        region = catalog.get_region(session, region_id)
        _check_parent(session, region_id, changes.get("parent_region_id"))
        catalog.update(session, region, changes)
        return region

    return services.db.run(work)


def _check_parent(session: Session, region_id: str, parent_id: str | None) -> None:
    """No region may lie below itself."""
    for _ in range(MAX_REGION_DEPTH):
        if parent_id is None:
            return
        if parent_id == region_id:
            break
        parent_id = catalog.get_region(session, parent_id).parent_region_id
    raise InvalidRequest(f"Unable to set the parent of region {region_id}: it would lie below itself, or too deep.")


def delete_region(services: Services, region_id: str) -> None:
    """Raises NotFound, Forbidden while it has endpoints."""
    services.db.run(lambda session: catalog.delete_region(session, catalog.get_region(session, region_id)))


def list_services(services: Services, filters: Mapping[str, Any], page: Page) -> list[IdentityService]:
    with services.db.read() as session:
        return catalog.page_services(session, filters, page)


def show_service(services: Services, service_id: str) -> IdentityService:
    """Raises NotFound."""
    with services.db.read() as session:
        return catalog.get_service(session, service_id)


def create_service(services: Services, given: Mapping[str, Any]) -> IdentityService:
    values = {"enabled": True, **_texts({"name": "", "description": "", **given}, ("name", "description"))}
    return services.db.run(lambda session: catalog.create_service(session, values))


def update_service(services: Services, service_id: str, given: dict[str, Any]) -> IdentityService:
    """Raises NotFound."""
    changes = _texts(check_immutable(given, {"id": service_id}), ("name", "description"))

    def work(session: Session) -> IdentityService:
        service = catalog.get_service(session, service_id)
        catalog.update(session, service, changes)
        return service

    return services.db.run(work)


def delete_service(services: Services, service_id: str) -> None:
    """With its endpoints. Raises NotFound."""
    services.db.run(lambda session: catalog.delete(session, catalog.get_service(session, service_id)))


def list_endpoints(services: Services, filters: Mapping[str, Any], page: Page) -> list[Endpoint]:
    with services.db.read() as session:
        return catalog.page_endpoints(session, filters, page)


def show_endpoint(services: Services, endpoint_id: str) -> Endpoint:
    """Raises NotFound."""
    with services.db.read() as session:
        return catalog.get_endpoint(session, endpoint_id)


def create_endpoint(services: Services, given: Mapping[str, Any]) -> Endpoint:
    """Raises InvalidRequest for an unknown service or region_id, or a URL with a substitution nobody makes.

    A region given by its older name, `region`, is made when there is none, as Keystone does.
    """
    values = {"enabled": True, "region_id": None, **_endpoint_values(given)}

    def work(session: Session) -> Endpoint:
        _ensure_region(session, given)
        _check_references(session, values)
        return catalog.create_endpoint(session, values)

    return services.db.run(work)


def update_endpoint(services: Services, endpoint_id: str, given: dict[str, Any]) -> Endpoint:
    """Raises NotFound, InvalidRequest as `create_endpoint` does."""
    changes = _endpoint_values(check_immutable(given, {"id": endpoint_id}))

    def work(session: Session) -> Endpoint:
        endpoint = catalog.get_endpoint(session, endpoint_id)
        _ensure_region(session, given)
        _check_references(session, changes)
        catalog.update(session, endpoint, changes)
        return endpoint

    return services.db.run(work)


def delete_endpoint(services: Services, endpoint_id: str) -> None:
    """Raises NotFound."""
    services.db.run(lambda session: catalog.delete(session, catalog.get_endpoint(session, endpoint_id)))


def _endpoint_values(given: Mapping[str, Any]) -> dict[str, Any]:
    """`region` is the older name of region_id; name and description are accepted and not kept."""
    values = {key: given[key] for key in ("interface", "service_id", "region_id", "url", "enabled") if key in given}
    if "region" in given and "region_id" not in given:
        values["region_id"] = given["region"]
    for name, conversion in _SUBSTITUTION.findall(values.get("url", "")):
        if name not in _ALLOWED_SUBSTITUTIONS or conversion != "s":
            raise InvalidRequest(
                f"Expected a URL with the substitutions {', '.join(_ALLOWED_SUBSTITUTIONS)} only, as in "
                f"$(project_id)s; {name[:64]!r} is another."
            )
    return values


def _ensure_region(session: Session, given: Mapping[str, Any]) -> None:
    if given.get("region") and "region_id" not in given:
        catalog.ensure_region(session, given["region"])


def _check_references(session: Session, values: Mapping[str, Any]) -> None:
    try:
        if "service_id" in values:
            catalog.get_service(session, values["service_id"])
        if values.get("region_id"):
            catalog.get_region(session, values["region_id"])
    except NotFound as err:
        raise InvalidRequest(err.message) from err


def _texts(given: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """null means an empty text in these columns."""
    return {key: (value or "") if key in names else value for key, value in given.items()}
