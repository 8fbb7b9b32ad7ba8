"""/floatingips/{id}/port_forwardings."""

from __future__ import annotations

from api.network import listing
from api.network.operations import port_forwardings as operations
from api.network.resource import parse_create, parse_update
from api.network.schemas.routers import PORT_FORWARDING
from api.network.views.routers import port_forwarding
from api.request import ApiRequest, Reply
from common.db.port_forwardings import COLUMNS
from common.errors import InvalidRequest

NAMES = (PORT_FORWARDING.singular, PORT_FORWARDING.plural)


def create(request: ApiRequest, floatingip_id: str) -> Reply:
    bodies, bulk = parse_create(request, PORT_FORWARDING)
    if bulk:
        raise InvalidRequest("Bulk creation of port forwardings is not supported.")
    made = operations.create(request, floatingip_id, bodies[0])
    return listing.made(request, NAMES, [port_forwarding(made)], bulk)


def index(request: ApiRequest, floatingip_id: str) -> Reply:
    asked = listing.parse(request, COLUMNS)
    found = operations.list_(request, floatingip_id, asked.filters, asked.page)
    return listing.reply(request, asked, PORT_FORWARDING.plural, [port_forwarding(item) for item in found])


def show(request: ApiRequest, floatingip_id: str, port_forwarding_id: str) -> Reply:
    found = operations.show(request, floatingip_id, port_forwarding_id)
    return listing.single(request, PORT_FORWARDING.singular, port_forwarding(found))


def update(request: ApiRequest, floatingip_id: str, port_forwarding_id: str) -> Reply:
    changes = parse_update(request, PORT_FORWARDING)
    changed = operations.update(request, floatingip_id, port_forwarding_id, changes)
    return listing.single(request, PORT_FORWARDING.singular, port_forwarding(changed))


def delete(request: ApiRequest, floatingip_id: str, port_forwarding_id: str) -> Reply:
    operations.delete(request, floatingip_id, port_forwarding_id)
    return Reply(status=204)
