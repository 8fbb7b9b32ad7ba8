"""/floatingips."""

from __future__ import annotations

from api.network import listing, short_lists
from api.network.operations import floating_ips as operations
from api.network.resource import parse_create, parse_update
from api.network.schemas.routers import FLOATING_IP
from api.network.views.routers import floating_ip
from api.request import ApiRequest, Reply
from common.db.floating_ips import COLUMNS
from common.db.network_tags import FILTERS

NAMES = (FLOATING_IP.singular, FLOATING_IP.plural)

POOL_FILTERS = ("network_id", "subnet_id", "subnet_name", "cidr", "project_id")


def create(request: ApiRequest) -> Reply:
    bodies, bulk = parse_create(request, FLOATING_IP)
    made = operations.create(request, bodies)
    return listing.made(request, NAMES, [floating_ip(item) for item in made], bulk)


def index(request: ApiRequest) -> Reply:
    asked = listing.parse(request, {*COLUMNS, *FILTERS})
    found = operations.list_(request, asked.filters, asked.page)
    return listing.reply(request, asked, FLOATING_IP.plural, [floating_ip(item) for item in found])


def pools(request: ApiRequest) -> Reply:
    """The IPv4 subnets of external networks that the caller may take floating IPs from."""
    items = [
        {
            "network_id": subnet.network_id,
            "subnet_id": subnet.id,
            "subnet_name": subnet.name,
            "cidr": subnet.cidr,
            "tenant_id": subnet.project_id,
            "project_id": subnet.project_id,
        }
        for subnet in operations.pools(request)
    ]
    return short_lists.reply(request, POOL_FILTERS, "floatingip_pools", items)


def show(request: ApiRequest, floatingip_id: str) -> Reply:
    return listing.single(request, FLOATING_IP.singular, floating_ip(operations.show(request, floatingip_id)))


def update(request: ApiRequest, floatingip_id: str) -> Reply:
    changed = operations.update(request, floatingip_id, parse_update(request, FLOATING_IP))
    return listing.single(request, FLOATING_IP.singular, floating_ip(changed))


def delete(request: ApiRequest, floatingip_id: str) -> Reply:
    operations.delete(request, floatingip_id)
    return Reply(status=204)
