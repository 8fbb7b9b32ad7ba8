"""/ndp_proxies."""

from __future__ import annotations

from api.network import listing
from api.network.operations import ndp_proxies as operations
from api.network.resource import parse_create, parse_update
from api.network.schemas.routers import NDP_PROXY
from api.network.views.routers import ndp_proxy
from api.request import ApiRequest, Reply
from common.db.ndp_proxies import COLUMNS

NAMES = (NDP_PROXY.singular, NDP_PROXY.plural)


def create(request: ApiRequest) -> Reply:
    bodies, bulk = parse_create(request, NDP_PROXY)
    return listing.made(request, NAMES, [ndp_proxy(row) for row in operations.create(request, bodies)], bulk)


def index(request: ApiRequest) -> Reply:
    asked = listing.parse(request, COLUMNS)
    found = operations.list_(request, asked.filters, asked.page)
    return listing.reply(request, asked, NDP_PROXY.plural, [ndp_proxy(row) for row in found])


def show(request: ApiRequest, ndp_proxy_id: str) -> Reply:
    return listing.single(request, NDP_PROXY.singular, ndp_proxy(operations.show(request, ndp_proxy_id)))


def update(request: ApiRequest, ndp_proxy_id: str) -> Reply:
    changed = operations.update(request, ndp_proxy_id, parse_update(request, NDP_PROXY))
    return listing.single(request, NDP_PROXY.singular, ndp_proxy(changed))


def delete(request: ApiRequest, ndp_proxy_id: str) -> Reply:
    operations.delete(request, ndp_proxy_id)
    return Reply(status=204)
