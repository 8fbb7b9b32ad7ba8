"""The placement API's table of contents: views of nodes and claims, and the terms on which a node is offered.

Nodes, totals and claims come from the nodes and from servers alone, so there is no call that makes, changes or deletes
them. Source: OpenStack's placement API reference, microversions 1.0 to 1.39.
"""

from __future__ import annotations

from api.errors import placement_form
from api.microversion import Microversion, VersionRange
from api.placement.handlers import candidates, claims, names, providers, versions
from api.placement.handlers.versions import HIGHEST, LOWEST
from api.policy import Rule
from api.routing import Api, Handler, Route

_PROVIDERS = "/resource_providers"
_PROVIDER = "/resource_providers/<provider_id>"


def _get(path: str, handler: Handler, key: str, since: str | None = None, rule: Rule = Rule.CLOUD_READER) -> Route:
    return Route("GET", path, None, since, None, rule, handler, f"placement:{key}")


def _put(path: str, handler: Handler, key: str) -> Route:
    return Route("PUT", path, None, None, None, Rule.CLOUD_ADMIN, handler, f"placement:{key}")


ROUTES = (
    _get("", versions.show, "versions:show", rule=Rule.PUBLIC),
    _get(_PROVIDERS, providers.index, "resource_providers:list"),
    _get(_PROVIDER, providers.show, "resource_providers:show"),
    _get(f"{_PROVIDER}/inventories", providers.inventories, "inventories:list"),
    _put(f"{_PROVIDER}/inventories", providers.set_inventories, "inventories:update_all"),
    _get(f"{_PROVIDER}/inventories/<resource_class>", providers.inventory, "inventories:show"),
    _put(f"{_PROVIDER}/inventories/<resource_class>", providers.set_inventory, "inventories:update"),
    _get(f"{_PROVIDER}/usages", providers.usages, "usages:of_provider"),
    _get(f"{_PROVIDER}/aggregates", providers.aggregates, "aggregates:of_provider", since="1.1"),
    _get(f"{_PROVIDER}/traits", providers.traits, "traits:of_provider", since="1.6"),
    _get(f"{_PROVIDER}/allocations", claims.of_provider, "allocations:of_provider"),
    _get("/allocations/<consumer_id>", claims.of_consumer, "allocations:show"),
    _get("/usages", claims.usages, "usages:of_project", since="1.9", rule=Rule.READER),
    _get("/allocation_candidates", candidates.index, "allocation_candidates:list", since="1.10"),
    _get("/resource_classes", names.resource_classes, "resource_classes:list", since="1.2"),
    _get("/resource_classes/<name>", names.resource_class, "resource_classes:show", since="1.2"),
    _get("/traits", names.traits, "traits:list", since="1.6"),
    _get("/traits/<name>", names.trait, "traits:show", since="1.6"),
)

APIS = [
    Api(
        "placement",
        "/placement",
        ROUTES,
        placement_form,
        versions=VersionRange("placement", Microversion.parse(LOWEST), Microversion.parse(HIGHEST)),
    )
]
