"""/subnets."""

from __future__ import annotations

from api.network import listing
from api.network.operations import subnets as operations
from api.network.resource import parse_create, parse_update
from api.network.schemas.subnets import SUBNET
from api.network.views.subnets import subnet
from api.request import ApiRequest, Reply
from common.db.network_tags import FILTERS
from common.db.subnets import COLUMNS

NAMES = (SUBNET.singular, SUBNET.plural)


def create(request: ApiRequest) -> Reply:
    bodies, bulk = parse_create(request, SUBNET)
    made = operations.create(request, bodies)
    return listing.made(request, NAMES, [subnet(item) for item in made], bulk)


def index(request: ApiRequest) -> Reply:
    asked = listing.parse(request, {*COLUMNS, *FILTERS, "shared", "router:external"})
    found = operations.list_(request, asked.filters, asked.page)
    return listing.reply(request, asked, SUBNET.plural, [subnet(item) for item in found])


def show(request: ApiRequest, subnet_id: str) -> Reply:
    return listing.single(request, SUBNET.singular, subnet(operations.show(request, subnet_id)))


def update(request: ApiRequest, subnet_id: str) -> Reply:
    changed = operations.update(request, subnet_id, parse_update(request, SUBNET))
    return listing.single(request, SUBNET.singular, subnet(changed))


def delete(request: ApiRequest, subnet_id: str) -> Reply:
    operations.delete(request, subnet_id)
    return Reply(status=204)
