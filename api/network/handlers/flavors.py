"""/flavors and /service_profiles: kinds of routers."""

from __future__ import annotations

from typing import Any

from api.network import listing
from api.network.operations import flavors as operations
from api.network.operations.flavors import ShownFlavor
from api.network.resource import parse_create, parse_update
from api.network.schemas.flavors import BINDING, FLAVOR, SERVICE_PROFILE
from api.request import ApiRequest, Reply
from api.schema import validate
from common.db.models import ServiceProfile
from common.db.router_flavors import COLUMNS, PROFILE_COLUMNS

NAMES = (FLAVOR.singular, FLAVOR.plural)
PROFILE_NAMES = (SERVICE_PROFILE.singular, SERVICE_PROFILE.plural)


def create(request: ApiRequest) -> Reply:
    bodies, bulk = parse_create(request, FLAVOR)
    return listing.made(request, NAMES, [_flavor(item) for item in operations.create(request, bodies)], bulk)


def index(request: ApiRequest) -> Reply:
    asked = listing.parse(request, COLUMNS)
    found = operations.list_(request, asked.filters, asked.page)
    return listing.reply(request, asked, FLAVOR.plural, [_flavor(item) for item in found])


def show(request: ApiRequest, router_flavor_id: str) -> Reply:
    return listing.single(request, FLAVOR.singular, _flavor(operations.show(request, router_flavor_id)))


def update(request: ApiRequest, router_flavor_id: str) -> Reply:
    changed = operations.update(request, router_flavor_id, parse_update(request, FLAVOR))
    return listing.single(request, FLAVOR.singular, _flavor(changed))


def delete(request: ApiRequest, router_flavor_id: str) -> Reply:
    operations.delete(request, router_flavor_id)
    return Reply(status=204)


def create_profile(request: ApiRequest) -> Reply:
    bodies, bulk = parse_create(request, SERVICE_PROFILE)
    made = operations.create_profile(request, bodies)
    return listing.made(request, PROFILE_NAMES, [_profile(row) for row in made], bulk)


def index_profiles(request: ApiRequest) -> Reply:
    asked = listing.parse(request, PROFILE_COLUMNS)
    found = operations.list_profiles(request, asked.filters, asked.page)
    return listing.reply(request, asked, SERVICE_PROFILE.plural, [_profile(row) for row in found])


def show_profile(request: ApiRequest, service_profile_id: str) -> Reply:
    found = operations.show_profile(request, service_profile_id)
    return listing.single(request, SERVICE_PROFILE.singular, _profile(found))


def update_profile(request: ApiRequest, service_profile_id: str) -> Reply:
    changed = operations.update_profile(request, service_profile_id, parse_update(request, SERVICE_PROFILE))
    return listing.single(request, SERVICE_PROFILE.singular, _profile(changed))


def delete_profile(request: ApiRequest, service_profile_id: str) -> Reply:
    operations.delete_profile(request, service_profile_id)
    return Reply(status=204)


def bind(request: ApiRequest, router_flavor_id: str) -> Reply:
    validate(request.body, BINDING)
    profile_id = request.body["service_profile"]["id"]
    operations.bind(request, router_flavor_id, profile_id)
    return Reply({"service_profile": {"id": profile_id}}, 201)


def unbind(request: ApiRequest, router_flavor_id: str, service_profile_id: str) -> Reply:
    operations.unbind(request, router_flavor_id, service_profile_id)
    return Reply(status=204)


def _flavor(item: ShownFlavor) -> dict[str, Any]:
    row = item.flavor
    return {
        "id": row.id,
        "name": row.name,
        "description": row.description,
        "service_type": row.service_type,
        "enabled": row.enabled,
        "service_profiles": list(item.profile_ids),
    }


def _profile(row: ServiceProfile) -> dict[str, Any]:
    return {
        "id": row.id,
        "description": row.description,
        "driver": row.driver,
        "metainfo": row.metainfo,
        "enabled": row.enabled,
    }
