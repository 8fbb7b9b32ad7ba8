"""Allocations: what consumers, which are servers, hold on providers; and the sums of a project."""

from __future__ import annotations

from api.microversion import Microversion
from api.placement import query
from api.placement.handlers.fresh import reply
from api.placement.operations import providers
from api.placement.views import providers as views
from api.request import ApiRequest, Reply
from common.errors import Forbidden, InvalidRequest

CONSUMER_TYPES = Microversion(1, 38)
_ALL = "all"  # consumer_type: all kinds together


def of_provider(request: ApiRequest, provider_id: str) -> Reply:
    found, claims = providers.claims_on(request.services, provider_id)
    return reply(request, views.claims_on(found, claims, request.version))


def of_consumer(request: ApiRequest, consumer_id: str) -> Reply:
    return reply(request, views.claims_of(providers.claims_of(request.services, consumer_id), request.version))


def usages(request: ApiRequest) -> Reply:
    """Of a project: its own members may ask, and administrators of any."""
    typed = request.version >= CONSUMER_TYPES
    query.known(request, ("project_id", "user_id", *(("consumer_type",) if typed else ())))
    project_id = request.arg("project_id")
    if not project_id:
        raise InvalidRequest("Invalid query string parameters: project_id is needed.")
    if project_id != request.context.project_id and not request.context.reads_all:
        raise Forbidden("Only administrators can see the usage of another project.")
    found = providers.usage(request.services, project_id, request.arg("user_id"))
    if not typed:
        return reply(request, {"usages": dict(found.amounts)})
    kind = request.arg("consumer_type") or views.CONSUMER_TYPE
    shown = {"consumer_count": found.consumers} | {str(name): amount for name, amount in found.amounts.items()}
    if not found.consumers or kind not in (views.CONSUMER_TYPE, _ALL):
        return reply(request, {"usages": {}})
    return reply(request, {"usages": {kind: shown}})
