"""Resource providers, which are the compute nodes, and what they offer."""

from __future__ import annotations

from api.microversion import Microversion
from api.placement import query
from api.placement.handlers.fresh import reply
from api.placement.operations import providers
from api.placement.schemas import inventories as schemas
from api.placement.views import providers as views
from api.request import ApiRequest, Reply
from api.schema import validate
from common.db.providers import ProviderQuery, ResourceClass
from common.errors import NotFound

_FILTERS = (
    ("name", "1.0"), ("uuid", "1.0"), ("member_of", "1.3"), ("resources", "1.4"), ("in_tree", "1.14"), ("required", "1.18"),
)  # fmt: skip


def index(request: ApiRequest) -> Reply:
    query.known(request, [name for name, since in _FILTERS if request.version >= Microversion.parse(since)])
    asked, tree = query.uuid(request, "uuid"), query.uuid(request, "in_tree")
    resources = request.arg("resources")
    any_of, forbidden = query.required(request, request.query.get("required", []))
    in_one_of, in_none_of = query.member_of(request, request.query.get("member_of", []))
    wanted = ProviderQuery(
        id=asked, tree=tree, name=request.arg("name"), free=query.amounts(resources) if resources is not None else None,
        any_of=any_of, forbidden=forbidden, in_one_of=in_one_of, in_none_of=in_none_of,
    )  # fmt: skip
    found = providers.find(request.services, wanted)
    path = request.path.partition("/resource_providers")[0]
    return reply(request, {"resource_providers": [views.provider(each, request.version, path) for each in found]})


def show(request: ApiRequest, provider_id: str) -> Reply:
    found = providers.show(request.services, provider_id)
    return reply(request, views.provider(found, request.version, request.path.partition("/resource_providers")[0]))


def inventories(request: ApiRequest, provider_id: str) -> Reply:
    return reply(request, views.inventories(providers.show(request.services, provider_id)))


def inventory(request: ApiRequest, provider_id: str, resource_class: str) -> Reply:
    found = providers.show(request.services, provider_id)
    if resource_class not in found.stocks:
        raise NotFound(f"No inventory of class {resource_class[:80]} found for {found.id}")
    return reply(request, views.inventory(found, ResourceClass(resource_class)))


def set_inventories(request: ApiRequest, provider_id: str) -> Reply:
    validate(request.body, schemas.ALL)
    stocks = {ResourceClass(name): fields for name, fields in request.body["inventories"].items()}
    found = providers.offer(request.services, provider_id, request.body["resource_provider_generation"], stocks)
    return reply(request, views.inventories(found))


def set_inventory(request: ApiRequest, provider_id: str, resource_class: str) -> Reply:
    validate(request.body, schemas.ONE)
    if resource_class not in ResourceClass.__members__:
        raise NotFound(f"No inventory of class {resource_class[:80]} found for {provider_id[:64]}")
    resource = ResourceClass(resource_class)
    fields = {name: value for name, value in request.body.items() if name != "resource_provider_generation"}
    generation = request.body["resource_provider_generation"]
    found = providers.offer(request.services, provider_id, generation, {resource: fields})
    return reply(request, views.inventory(found, resource))


def aggregates(request: ApiRequest, provider_id: str) -> Reply:
    return reply(request, views.aggregates(providers.show(request.services, provider_id), request.version))


def usages(request: ApiRequest, provider_id: str) -> Reply:
    return reply(request, views.usages(providers.show(request.services, provider_id)))


def traits(request: ApiRequest, provider_id: str) -> Reply:
    found = providers.show(request.services, provider_id)
    return reply(request, {"resource_provider_generation": found.generation, "traits": sorted(found.traits)})
