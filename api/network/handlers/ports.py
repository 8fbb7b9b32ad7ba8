"""/ports."""

from __future__ import annotations

from typing import Any

from api.network import listing
from api.network.operations import ports as operations
from api.network.resource import parse_create, parse_update
from api.network.schemas.ports import PORT
from api.network.views import ports as views
from api.request import ApiRequest, Reply
from common.db.network_tags import FILTERS
from common.db.port_lists import COLUMNS

NAMES = (PORT.singular, PORT.plural)


def create(request: ApiRequest) -> Reply:
    bodies, bulk = parse_create(request, PORT)
    made = operations.create(request, bodies)
    return listing.made(request, NAMES, [_view(request, item) for item in made], bulk)


def index(request: ApiRequest) -> Reply:
    known = {*COLUMNS, *FILTERS, "fixed_ips", "security_groups"} | (
        {"binding:host_id"} if request.context.is_admin else set()
    )
    asked = listing.parse(request, known)
    found = operations.list_(request, asked.filters, asked.page)
    return listing.reply(request, asked, PORT.plural, [_view(request, item) for item in found])


def show(request: ApiRequest, port_id: str) -> Reply:
    return listing.single(request, PORT.singular, _view(request, operations.show(request, port_id)))


def update(request: ApiRequest, port_id: str) -> Reply:
    changed = operations.update(request, port_id, parse_update(request, PORT))
    return listing.single(request, PORT.singular, _view(request, changed))


def delete(request: ApiRequest, port_id: str) -> Reply:
    operations.delete(request, port_id)
    return Reply(status=204)


def _view(request: ApiRequest, item: operations.ShownPort) -> dict[str, Any]:
    return views.port(item, request.context, request.services.config.network.dns_domain)
