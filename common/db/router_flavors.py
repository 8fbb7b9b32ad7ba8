"""Flavors of routers and the service profiles that say what they are."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.db.filters import Filters, apply
from common.db.models import FlavorProfile, Router, RouterFlavor, ServiceProfile
from common.db.paging import Page, fetch
from common.db.upsert import insert_ignore
from common.errors import Conflict, InvalidRequest, NotFound

ROUTERS = "L3_ROUTER_NAT"
COLUMNS = {
    "id": RouterFlavor.id,
    "name": RouterFlavor.name,
    "description": RouterFlavor.description,
    "service_type": RouterFlavor.service_type,
    "enabled": RouterFlavor.enabled,
}
PROFILE_COLUMNS = {
    "id": ServiceProfile.id,
    "description": ServiceProfile.description,
    "driver": ServiceProfile.driver,
    "metainfo": ServiceProfile.metainfo,
    "enabled": ServiceProfile.enabled,
}


@dataclass(frozen=True)
class Flags:
    """What a router's administrator may say of it, and what a driver's name says."""

    ha: bool = False
    distributed: bool = False


PLAIN = Flags()
_PROVIDERS = "neutron.services.l3_router.service_providers."
DRIVERS = {
    f"{_PROVIDERS}single_node.SingleNodeDriver": PLAIN,
    f"{_PROVIDERS}ha.HaDriver": Flags(ha=True),
    f"{_PROVIDERS}dvr.DvrDriver": Flags(distributed=True),
    f"{_PROVIDERS}dvrha.DvrHaDriver": Flags(ha=True, distributed=True),
}


def get(session: Session, flavor_id: str, *, lock: bool = False) -> RouterFlavor:
    """Raises NotFound."""
    query = sa.select(RouterFlavor).where(RouterFlavor.id == flavor_id).execution_options(populate_existing=True)
    row = session.scalar(query.with_for_update() if lock else query)
    if row is None:
        raise NotFound(f"Flavor {flavor_id} could not be found.", neutron_type="FlavorNotFound")
    return row


def get_profile(session: Session, profile_id: str, *, lock: bool = False) -> ServiceProfile:
    """Raises NotFound."""
    query = sa.select(ServiceProfile).where(ServiceProfile.id == profile_id)
    row = session.scalar(query.with_for_update() if lock else query)
    if row is None:
        raise NotFound(f"Service Profile {profile_id} could not be found.", neutron_type="ServiceProfileNotFound")
    return row


def list_(session: Session, filters: Filters, page: Page) -> list[RouterFlavor]:
    query = apply(sa.select(RouterFlavor), COLUMNS, filters)
    return fetch(session, query, page, columns=COLUMNS, default=(("id", False),), key=RouterFlavor.id)


def list_profiles(session: Session, filters: Filters, page: Page) -> list[ServiceProfile]:
    query = apply(sa.select(ServiceProfile), PROFILE_COLUMNS, filters)
    return fetch(session, query, page, columns=PROFILE_COLUMNS, default=(("id", False),), key=ServiceProfile.id)


def profiles_of(session: Session, flavor_ids: Collection[str]) -> dict[str, list[str]]:
    """Ids of the service profiles by flavor; one statement."""
    found: dict[str, list[str]] = {flavor_id: [] for flavor_id in flavor_ids}
    rows = session.execute(
        sa.select(FlavorProfile.flavor_id, FlavorProfile.service_profile_id)
        .where(FlavorProfile.flavor_id.in_(flavor_ids))
        .order_by(FlavorProfile.service_profile_id)
    )
    for flavor_id, profile_id in rows:
        found[flavor_id].append(profile_id)
    return found


def bind(session: Session, flavor: RouterFlavor, profile: ServiceProfile) -> None:
    """Raises Conflict when the flavor has the profile."""
    if not insert_ignore(session, FlavorProfile, [{"flavor_id": flavor.id, "service_profile_id": profile.id}]):
        raise Conflict(
            f"Service Profile {profile.id} is already associated with flavor {flavor.id}.",
            neutron_type="FlavorServiceProfileBindingExists",
        )


def unbind(session: Session, flavor_id: str, profile_id: str) -> None:
    """Raises NotFound when the flavor doesn't have the profile."""
    binding = sa.delete(FlavorProfile).where(
        FlavorProfile.flavor_id == flavor_id, FlavorProfile.service_profile_id == profile_id
    )
    if not session.execute(binding).rowcount:  # type: ignore[attr-defined]
        raise NotFound(
            f"Service Profile {profile_id} is not associated with flavor {flavor_id}.",
            neutron_type="FlavorServiceProfileBindingNotFound",
        )


def check_unused(session: Session, flavor_id: str) -> None:
    """Raises Conflict while a router has the flavor."""
    if session.scalar(sa.select(sa.exists().where(Router.flavor_id == flavor_id))):
        raise Conflict(f"Flavor {flavor_id} is used by some service instance.", neutron_type="FlavorInUse")


def check_profile_unused(session: Session, profile_id: str) -> None:
    """Raises Conflict while a flavor has the profile."""
    if session.scalar(sa.select(sa.exists().where(FlavorProfile.service_profile_id == profile_id))):
        raise Conflict(
            f"Service Profile {profile_id} is used by some service instance.", neutron_type="ServiceProfileInUse"
        )


def flags_of(session: Session, flavor_id: str) -> Flags:
    """What a router of this flavor is. Raises NotFound, Conflict (switched off, no profile), InvalidRequest (no router's)."""
    flavor = get(session, flavor_id)
    if flavor.service_type != ROUTERS:
        raise InvalidRequest(
            f"Invalid service type {flavor.service_type} of flavor {flavor_id}: routers are {ROUTERS}.",
            neutron_type="InvalidServiceType",
        )
    if not flavor.enabled:
        raise Conflict(f"Flavor {flavor_id} is not enabled.", neutron_type="FlavorDisabled")
    theirs = sa.select(FlavorProfile.service_profile_id).where(FlavorProfile.flavor_id == flavor_id)
    drivers = session.scalars(
        sa.select(ServiceProfile.driver)
        .where(ServiceProfile.id.in_(theirs), ServiceProfile.enabled.is_(True), ServiceProfile.driver != "")
        .order_by(ServiceProfile.id)
    ).all()
    if not drivers:
        raise Conflict(
            f"Flavor {flavor_id} has no service profile that is enabled and names a driver.",
            neutron_type="ServiceProfileDisabled",
        )
    return DRIVERS[drivers[0]]
