"""/routers/{id}/conntrack_helpers."""

from __future__ import annotations

from api.network import listing
from api.network.operations import conntrack_helpers as operations
from api.network.resource import parse_create, parse_update
from api.network.schemas.routers import CONNTRACK_HELPER
from api.network.views.routers import conntrack_helper
from api.request import ApiRequest, Reply
from common.db.conntrack_helpers import COLUMNS
from common.errors import InvalidRequest

NAMES = (CONNTRACK_HELPER.singular, CONNTRACK_HELPER.plural)


def create(request: ApiRequest, router_id: str) -> Reply:
    bodies, bulk = parse_create(request, CONNTRACK_HELPER)
    if bulk:
        raise InvalidRequest("Bulk creation of conntrack helpers is not supported.")
    made = operations.create(request, router_id, bodies[0])
    return listing.made(request, NAMES, [conntrack_helper(made)], bulk)


def index(request: ApiRequest, router_id: str) -> Reply:
    asked = listing.parse(request, COLUMNS)
    found = operations.list_(request, router_id, asked.filters, asked.page)
    return listing.reply(request, asked, CONNTRACK_HELPER.plural, [conntrack_helper(row) for row in found])


def show(request: ApiRequest, router_id: str, conntrack_helper_id: str) -> Reply:
    found = operations.show(request, router_id, conntrack_helper_id)
    return listing.single(request, CONNTRACK_HELPER.singular, conntrack_helper(found))


def update(request: ApiRequest, router_id: str, conntrack_helper_id: str) -> Reply:
    changes = parse_update(request, CONNTRACK_HELPER)
    changed = operations.update(request, router_id, conntrack_helper_id, changes)
    return listing.single(request, CONNTRACK_HELPER.singular, conntrack_helper(changed))


def delete(request: ApiRequest, router_id: str, conntrack_helper_id: str) -> Reply:
    operations.delete(request, router_id, conntrack_helper_id)
    return Reply(status=204)
