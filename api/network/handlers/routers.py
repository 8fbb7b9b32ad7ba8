"""/routers."""

from __future__ import annotations

from api.network import listing
from api.network.operations import route_plan
from api.network.operations import routers as operations
from api.network.resource import parse_create, parse_update
from api.network.schemas.routers import EXTRA_ROUTES, INTERFACE, ROUTER
from api.network.views import routers as views
from api.request import ApiRequest, Reply
from api.schema import validate
from common.db.network_tags import FILTERS
from common.db.routers import COLUMNS

NAMES = (ROUTER.singular, ROUTER.plural)


def create(request: ApiRequest) -> Reply:
    bodies, bulk = parse_create(request, ROUTER)
    made = operations.create(request, bodies)
    return listing.made(request, NAMES, [views.router(item, request.context) for item in made], bulk)


def index(request: ApiRequest) -> Reply:
    hidden = set() if request.context.is_admin else ROUTER.admin
    asked = listing.parse(request, {*COLUMNS, *FILTERS} - hidden)
    found = operations.list_(request, asked.filters, asked.page)
    return listing.reply(request, asked, ROUTER.plural, [views.router(item, request.context) for item in found])


def show(request: ApiRequest, router_id: str) -> Reply:
    return _reply(request, operations.show(request, router_id))


def update(request: ApiRequest, router_id: str) -> Reply:
    return _reply(request, operations.update(request, router_id, parse_update(request, ROUTER)))


def delete(request: ApiRequest, router_id: str) -> Reply:
    operations.delete(request, router_id)
    return Reply(status=204)


def add_interface(request: ApiRequest, router_id: str) -> Reply:
    validate(request.body, INTERFACE)
    return Reply(views.interface(operations.add_interface(request, router_id, request.body)))


def remove_interface(request: ApiRequest, router_id: str) -> Reply:
    validate(request.body, INTERFACE)
    return Reply(views.interface(operations.remove_interface(request, router_id, request.body)))


def add_routes(request: ApiRequest, router_id: str) -> Reply:
    validate(request.body, EXTRA_ROUTES)
    routes = request.body["router"]["routes"]
    return _reply(request, operations.change_routes(request, router_id, routes, route_plan.added))


def remove_routes(request: ApiRequest, router_id: str) -> Reply:
    validate(request.body, EXTRA_ROUTES)
    routes = request.body["router"]["routes"]
    return _reply(request, operations.change_routes(request, router_id, routes, route_plan.removed))


def _reply(request: ApiRequest, item: operations.ShownRouter) -> Reply:
    return listing.single(request, ROUTER.singular, views.router(item, request.context))
