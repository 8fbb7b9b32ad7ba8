"""/networks and /network-ip-availabilities."""

from __future__ import annotations

from api.network import listing
from api.network.operations import availability
from api.network.operations import networks as operations
from api.network.resource import parse_create, parse_update
from api.network.schemas.networks import NETWORK
from api.network.views import networks as views
from api.request import ApiRequest, Reply
from common.db.network_tags import FILTERS
from common.db.networks import COLUMNS
from common.errors import InvalidRequest

NAMES = (NETWORK.singular, NETWORK.plural)


def create(request: ApiRequest) -> Reply:
    bodies, bulk = parse_create(request, NETWORK)
    made = operations.create(request, bodies)
    return listing.made(request, NAMES, [views.network(item, request.context) for item in made], bulk)


def index(request: ApiRequest) -> Reply:
    hidden = set() if request.context.is_admin else NETWORK.admin - {"router:external", "is_default"}
    asked = listing.parse(request, (set(COLUMNS) - hidden) | FILTERS | {"shared"})
    found = operations.list_(request, asked.filters, asked.page)
    return listing.reply(request, asked, NETWORK.plural, [views.network(item, request.context) for item in found])


def show(request: ApiRequest, network_id: str) -> Reply:
    found = operations.show(request, network_id)
    return listing.single(request, NETWORK.singular, views.network(found, request.context))


def update(request: ApiRequest, network_id: str) -> Reply:
    changed = operations.update(request, network_id, parse_update(request, NETWORK))
    return listing.single(request, NETWORK.singular, views.network(changed, request.context))


def delete(request: ApiRequest, network_id: str) -> Reply:
    operations.delete(request, network_id)
    return Reply(status=204)


def availabilities(request: ApiRequest) -> Reply:
    asked = listing.parse(request, {"network_id", "network_name", "project_id", "ip_version"})
    names = {"network_id": "id", "network_name": "name", "project_id": "project_id"}
    filters = {names[key]: values for key, values in asked.filters.items() if key in names}
    version = asked.filters.get("ip_version", [""])[-1]
    if version not in ("", "4", "6"):
        raise InvalidRequest(f"Invalid input for ip_version. Reason: '{version[:20]}' is not 4 or 6.")
    found = availability.list_(request, filters, asked.page, int(version) if version else None)
    items = [{"id": use.network.id, **views.availability(use)} for use in found]
    return listing.reply(request, asked, "network_ip_availabilities", items)


def availability_of(request: ApiRequest, network_id: str) -> Reply:
    return Reply({"network_ip_availability": views.availability(availability.show(request, network_id))})
