"""/local_ips, and /local_ips/{id}/port_associations: the ports that each leads to."""

from __future__ import annotations

from api.network import listing, short_lists
from api.network.operations import local_ips as operations
from api.network.resource import parse_create, parse_update
from api.network.schemas.local_ips import LOCAL_IP, PORT_ASSOCIATION
from api.network.views.local_ips import association, local_ip
from api.request import ApiRequest, Reply
from common.db.local_ips import COLUMNS
from common.errors import InvalidRequest

NAMES = (LOCAL_IP.singular, LOCAL_IP.plural)
ASSOCIATION_NAMES = (PORT_ASSOCIATION.singular, PORT_ASSOCIATION.plural)
ASSOCIATION_FIELDS = ("local_ip_address", "fixed_port_id", "fixed_ip", "host")


def create(request: ApiRequest) -> Reply:
    bodies, bulk = parse_create(request, LOCAL_IP)
    return listing.made(request, NAMES, [local_ip(row) for row in operations.create(request, bodies)], bulk)


def index(request: ApiRequest) -> Reply:
    asked = listing.parse(request, COLUMNS)
    found = operations.list_(request, asked.filters, asked.page)
    return listing.reply(request, asked, LOCAL_IP.plural, [local_ip(row) for row in found])


def show(request: ApiRequest, local_ip_id: str) -> Reply:
    return listing.single(request, LOCAL_IP.singular, local_ip(operations.show(request, local_ip_id)))


def update(request: ApiRequest, local_ip_id: str) -> Reply:
    changed = operations.update(request, local_ip_id, parse_update(request, LOCAL_IP))
    return listing.single(request, LOCAL_IP.singular, local_ip(changed))


def delete(request: ApiRequest, local_ip_id: str) -> Reply:
    operations.delete(request, local_ip_id)
    return Reply(status=204)


def associate(request: ApiRequest, local_ip_id: str) -> Reply:
    bodies, bulk = parse_create(request, PORT_ASSOCIATION)
    if bulk:
        raise InvalidRequest("Bulk creation of port associations is not supported.")
    made = operations.associate(request, local_ip_id, bodies[0])
    return listing.made(request, ASSOCIATION_NAMES, [association(made)], bulk)


def associations(request: ApiRequest, local_ip_id: str) -> Reply:
    found = [association(each) for each in operations.associations(request, local_ip_id)]
    return short_lists.reply(request, ASSOCIATION_FIELDS, PORT_ASSOCIATION.plural, found)


def association_of(request: ApiRequest, local_ip_id: str, fixed_port_id: str) -> Reply:
    found = operations.association(request, local_ip_id, fixed_port_id)
    return listing.single(request, PORT_ASSOCIATION.singular, association(found))


def dissociate(request: ApiRequest, local_ip_id: str, fixed_port_id: str) -> Reply:
    operations.dissociate(request, local_ip_id, fixed_port_id)
    return Reply(status=204)
