"""/subnetpools and /address-scopes."""

from __future__ import annotations

from api.network import listing
from api.network.operations import address_scopes, shareable
from api.network.operations import subnet_pools as operations
from api.network.resource import parse_create, parse_update
from api.network.schemas.sharing import ADDRESS_SCOPE
from api.network.schemas.subnet_pools import PREFIXES, SUBNET_POOL
from api.network.views.sharing import address_scope, subnet_pool
from api.request import ApiRequest, Reply
from api.schema import validate
from common.db import rbac_policies
from common.db.network_tags import FILTERS

NAMES = (SUBNET_POOL.singular, SUBNET_POOL.plural)
SCOPE_NAMES = (ADDRESS_SCOPE.singular, ADDRESS_SCOPE.plural)


def create(request: ApiRequest) -> Reply:
    bodies, bulk = parse_create(request, SUBNET_POOL)
    return listing.made(request, NAMES, [subnet_pool(item) for item in operations.create(request, bodies)], bulk)


def index(request: ApiRequest) -> Reply:
    asked = listing.parse(request, {*operations.COLUMNS, *FILTERS, "shared", "is_default"})
    kind = rbac_policies.SUBNET_POOL
    found = shareable.list_(request, kind, operations.COLUMNS, asked.filters, asked.page)
    if "is_default" in asked.filters:
        wanted = asked.filters["is_default"][-1].lower() in ("true", "1")
        found = [item for item in found if item.row.is_default is wanted]
    return listing.reply(request, asked, SUBNET_POOL.plural, [subnet_pool(item) for item in found])


def show(request: ApiRequest, subnetpool_id: str) -> Reply:
    found = shareable.show(request, rbac_policies.SUBNET_POOL, subnetpool_id)
    return listing.single(request, SUBNET_POOL.singular, subnet_pool(found))


def update(request: ApiRequest, subnetpool_id: str) -> Reply:
    changed = operations.update(request, subnetpool_id, parse_update(request, SUBNET_POOL))
    return listing.single(request, SUBNET_POOL.singular, subnet_pool(changed))


def delete(request: ApiRequest, subnetpool_id: str) -> Reply:
    operations.delete(request, subnetpool_id)
    return Reply(status=204)


def add_prefixes(request: ApiRequest, subnetpool_id: str) -> Reply:
    validate(request.body, PREFIXES)
    return Reply({"prefixes": operations.add_prefixes(request, subnetpool_id, request.body["prefixes"])})


def remove_prefixes(request: ApiRequest, subnetpool_id: str) -> Reply:
    validate(request.body, PREFIXES)
    return Reply({"prefixes": operations.remove_prefixes(request, subnetpool_id, request.body["prefixes"])})


def create_scope(request: ApiRequest) -> Reply:
    bodies, bulk = parse_create(request, ADDRESS_SCOPE)
    made = address_scopes.create(request, bodies)
    return listing.made(request, SCOPE_NAMES, [address_scope(item) for item in made], bulk)


def index_scopes(request: ApiRequest) -> Reply:
    asked = listing.parse(request, {*address_scopes.COLUMNS, "shared"})
    kind = rbac_policies.ADDRESS_SCOPE
    found = shareable.list_(request, kind, address_scopes.COLUMNS, asked.filters, asked.page)
    return listing.reply(request, asked, ADDRESS_SCOPE.plural, [address_scope(item) for item in found])


def show_scope(request: ApiRequest, address_scope_id: str) -> Reply:
    found = shareable.show(request, rbac_policies.ADDRESS_SCOPE, address_scope_id)
    return listing.single(request, ADDRESS_SCOPE.singular, address_scope(found))


def update_scope(request: ApiRequest, address_scope_id: str) -> Reply:
    changed = address_scopes.update(request, address_scope_id, parse_update(request, ADDRESS_SCOPE))
    return listing.single(request, ADDRESS_SCOPE.singular, address_scope(changed))


def delete_scope(request: ApiRequest, address_scope_id: str) -> Reply:
    address_scopes.delete(request, address_scope_id)
    return Reply(status=204)
