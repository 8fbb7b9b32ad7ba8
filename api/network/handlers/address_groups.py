"""/address-groups."""

from __future__ import annotations

from api.network import listing
from api.network.operations import address_groups as operations
from api.network.operations import shareable
from api.network.operations.shareable import Shown
from api.network.resource import parse_create, parse_update
from api.network.schemas.sharing import ADDRESS_GROUP, ADDRESSES
from api.network.views.sharing import address_group
from api.request import ApiRequest, Reply
from api.schema import validate
from common.db import rbac_policies
from common.db.network_tags import FILTERS

NAMES = (ADDRESS_GROUP.singular, ADDRESS_GROUP.plural)


def create(request: ApiRequest) -> Reply:
    bodies, bulk = parse_create(request, ADDRESS_GROUP)
    made = operations.create(request, bodies)
    return listing.made(request, NAMES, [address_group(item) for item in made], bulk)


def index(request: ApiRequest) -> Reply:
    asked = listing.parse(request, {*operations.COLUMNS, *FILTERS, "shared"})
    kind = rbac_policies.ADDRESS_GROUP
    found = shareable.list_(request, kind, operations.COLUMNS, asked.filters, asked.page)
    return listing.reply(request, asked, ADDRESS_GROUP.plural, [address_group(item) for item in found])


def show(request: ApiRequest, address_group_id: str) -> Reply:
    return _one(request, shareable.show(request, rbac_policies.ADDRESS_GROUP, address_group_id))


def update(request: ApiRequest, address_group_id: str) -> Reply:
    return _one(request, operations.update(request, address_group_id, parse_update(request, ADDRESS_GROUP)))


def add_addresses(request: ApiRequest, address_group_id: str) -> Reply:
    validate(request.body, ADDRESSES)
    return _one(request, operations.add(request, address_group_id, request.body["addresses"]))


def remove_addresses(request: ApiRequest, address_group_id: str) -> Reply:
    validate(request.body, ADDRESSES)
    return _one(request, operations.remove(request, address_group_id, request.body["addresses"]))


def delete(request: ApiRequest, address_group_id: str) -> Reply:
    operations.delete(request, address_group_id)
    return Reply(status=204)


def _one(request: ApiRequest, item: Shown) -> Reply:
    return listing.single(request, ADDRESS_GROUP.singular, address_group(item))
