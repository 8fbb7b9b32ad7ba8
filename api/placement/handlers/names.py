"""Resource classes and traits: the words in which nodes offer and servers ask."""

from __future__ import annotations

from api.placement import query
from api.placement.handlers.fresh import reply
from api.placement.operations import providers
from api.placement.views import providers as views
from api.request import ApiRequest, Reply
from api.schema import as_boolean
from common.db.providers import ResourceClass
from common.errors import InvalidRequest, NotFound
from common.placement import traits as known_traits


def resource_classes(request: ApiRequest) -> Reply:
    path = request.path.partition("/resource_classes")[0]
    return reply(request, {"resource_classes": [views.resource_class(path, name) for name in ResourceClass]})


def resource_class(request: ApiRequest, name: str) -> Reply:
    if name not in ResourceClass.__members__:
        raise NotFound(f"No such resource class {name[:80]}.")
    return reply(request, views.resource_class(request.path.partition("/resource_classes")[0], name))


def traits(request: ApiRequest) -> Reply:
    """All, or by name=in:A,B, name=startswith:A; associated: those that a node has (or none has)."""
    query.known(request, ("name", "associated"))
    held = providers.held_traits(request.services)
    found = _named(request.arg("name"), known_traits.ALL | held)
    associated = request.arg("associated")
    if associated is not None:
        found = found & held if as_boolean(associated) else found - held
    return reply(request, {"traits": sorted(found)})


def _named(asked: str | None, known: frozenset[str]) -> frozenset[str]:
    if asked is None:
        return known
    how, _, words = asked.partition(":")
    if how == "in":
        return known & set(words.split(","))
    if how == "startswith":
        return frozenset(name for name in known if name.startswith(words))
    raise InvalidRequest("Badly formatted name parameter. Expected name=in:TRAIT,TRAIT or name=startswith:PREFIX.")


def trait(request: ApiRequest, name: str) -> Reply:
    if name not in known_traits.ALL | providers.held_traits(request.services):
        raise NotFound(f"No such trait(s): {name[:80]}.")
    return reply(request, None, 204)
