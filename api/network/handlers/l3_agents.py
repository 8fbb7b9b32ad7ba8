"""Gateway nodes as L3 agents: which router is on which, and moving one."""

from __future__ import annotations

from typing import Any

from api.network import listing
from api.network.operations import l3_agents as operations
from api.network.operations import routers as router_operations
from api.network.schemas.routers import AGENT_ROUTER
from api.network.views import agents as views
from api.network.views import routers as router_views
from api.request import ApiRequest, Reply
from api.schema import validate
from common.db.network_agents import NetworkAgent


def of_router(request: ApiRequest, router_id: str) -> Reply:
    found = operations.of_router(request, router_id)
    return Reply({"agents": [listing.prune(_agent(request, row), listing.fields(request)) for row in found]})


def routers_of(request: ApiRequest, agent_id: str) -> Reply:
    found = router_operations.shown(request, operations.routers_of(request, agent_id))
    items = [router_views.router(item, request.context) for item in found]
    return Reply({"routers": [listing.prune(item, listing.fields(request)) for item in items]})


def add_router(request: ApiRequest, agent_id: str) -> Reply:
    validate(request.body, AGENT_ROUTER)
    operations.add_router(request, agent_id, request.body["router_id"])
    return Reply(b"null", 201)  # clients read JSON


def remove_router(request: ApiRequest, agent_id: str, router_id: str) -> Reply:
    operations.remove_router(request, agent_id, router_id)
    return Reply(status=204)


def _agent(request: ApiRequest, row: NetworkAgent) -> dict[str, Any]:
    services = request.services
    return views.l3_agent(row, services.clock.now(), services.config.scheduler.node_down_after_s)
