"""What requests about router flavors and service profiles mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from api.request import ApiRequest
from common.db import router_flavors
from common.db.filters import Filters
from common.db.models import RouterFlavor, ServiceProfile
from common.db.paging import Page
from common.db.upsert import insert
from common.errors import InvalidRequest, NotFound
from common.ids import new_id


@dataclass(frozen=True)
class ShownFlavor:
    flavor: RouterFlavor
    profile_ids: Sequence[str]


def create(request: ApiRequest, bodies: Sequence[dict[str, Any]]) -> list[ShownFlavor]:
    """All or none."""

    def work(session: Session) -> list[ShownFlavor]:
        rows = []
        for body in bodies:
            row = RouterFlavor(
                id=new_id(),
                name=body.get("name", ""),
                description=body.get("description", ""),
                service_type=body["service_type"],
                enabled=body.get("enabled", True),
            )
            insert(session, row)
            rows.append(row)
        return _shown(session, rows)

    return request.services.db.run(work)


def _shown(session: Session, rows: Sequence[RouterFlavor]) -> list[ShownFlavor]:
    profiles = router_flavors.profiles_of(session, [row.id for row in rows])
    return [ShownFlavor(row, profiles[row.id]) for row in rows]


def list_(request: ApiRequest, filters: Filters, page: Page) -> list[ShownFlavor]:
    with request.services.db.read() as session:
        return _shown(session, router_flavors.list_(session, filters, page))


def show(request: ApiRequest, flavor_id: str) -> ShownFlavor:
    with request.services.db.read() as session:
        return _shown(session, [router_flavors.get(session, flavor_id)])[0]


def update(request: ApiRequest, flavor_id: str, changes: dict[str, Any]) -> ShownFlavor:
    def work(session: Session) -> ShownFlavor:
        row = router_flavors.get(session, flavor_id, lock=True)
        _write(row, changes)
        return _shown(session, [row])[0]

    return request.services.db.run(work)


def _write(row: RouterFlavor | ServiceProfile, changes: Mapping[str, Any]) -> None:
    for name, value in changes.items():
        setattr(row, name, value)


def delete(request: ApiRequest, flavor_id: str) -> None:
    """Raises Conflict while a router has the flavor."""

    def work(session: Session) -> None:
        row = router_flavors.get(session, flavor_id, lock=True)
        router_flavors.check_unused(session, flavor_id)
        session.delete(row)

    request.services.db.run(work)


def create_profile(request: ApiRequest, bodies: Sequence[dict[str, Any]]) -> list[ServiceProfile]:
    """All or none."""
    rows = [ServiceProfile(id=new_id(), **_profile(body)) for body in bodies]

    def work(session: Session) -> list[ServiceProfile]:
        for row in rows:
            insert(session, row)
        return rows

    return request.services.db.run(work)


def _profile(body: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of a new one. Raises InvalidRequest, NotFound (driver)."""
    driver, metainfo = body.get("driver", ""), body.get("metainfo", "")
    if not driver and not metainfo:
        raise InvalidRequest("Service Profile needs either a driver or metainfo.", neutron_type="ServiceProfileEmpty")
    _check_driver(driver)
    return {
        "description": body.get("description", ""),
        "driver": driver,
        "metainfo": metainfo,
        "enabled": body.get("enabled", True),
    }


def _check_driver(driver: str) -> None:
    if driver and driver not in router_flavors.DRIVERS:
        raise NotFound(
            f"Service Profile driver {driver[:80]} could not be found; known are "
            f"{', '.join(sorted(router_flavors.DRIVERS))}.",
            neutron_type="ServiceProfileDriverNotFound",
        )


def list_profiles(request: ApiRequest, filters: Filters, page: Page) -> list[ServiceProfile]:
    with request.services.db.read() as session:
        return router_flavors.list_profiles(session, filters, page)


def show_profile(request: ApiRequest, profile_id: str) -> ServiceProfile:
    with request.services.db.read() as session:
        return router_flavors.get_profile(session, profile_id)


def update_profile(request: ApiRequest, profile_id: str, changes: dict[str, Any]) -> ServiceProfile:
    """Raises Conflict when a flavor has it, since routers were made by what it said."""
    _check_driver(changes.get("driver", ""))

    def work(session: Session) -> ServiceProfile:
        row = router_flavors.get_profile(session, profile_id, lock=True)
        if set(changes) - {"enabled", "description"}:
            router_flavors.check_profile_unused(session, profile_id)
        _write(row, changes)
        return row

    return request.services.db.run(work)


def delete_profile(request: ApiRequest, profile_id: str) -> None:
    """Raises Conflict while a flavor has it."""

    def work(session: Session) -> None:
        row = router_flavors.get_profile(session, profile_id, lock=True)
        router_flavors.check_profile_unused(session, profile_id)
        session.delete(row)

    request.services.db.run(work)


def bind(request: ApiRequest, flavor_id: str, profile_id: str) -> None:
    def work(session: Session) -> None:
        flavor = router_flavors.get(session, flavor_id, lock=True)
        router_flavors.bind(session, flavor, router_flavors.get_profile(session, profile_id, lock=True))

    request.services.db.run(work)


def unbind(request: ApiRequest, flavor_id: str, profile_id: str) -> None:
    def work(session: Session) -> None:
        router_flavors.get(session, flavor_id, lock=True)
        router_flavors.unbind(session, flavor_id, profile_id)

    request.services.db.run(work)
