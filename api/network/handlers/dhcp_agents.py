"""Nodes as DHCP agents: which answers DHCP in which network, and naming one that shall."""

from __future__ import annotations

from api.network import listing
from api.network.operations import dhcp_agents as operations
from api.network.schemas.networks import AGENT_NETWORK
from api.network.views import agents as views
from api.network.views.networks import network
from api.request import ApiRequest, Reply
from api.schema import validate


def of_network(request: ApiRequest, network_id: str) -> Reply:
    services, wanted = request.services, listing.fields(request)
    now, down_after_s = services.clock.now(), services.config.scheduler.node_down_after_s
    found = [views.dhcp_agent(row, now, down_after_s) for row in operations.of_network(request, network_id)]
    return Reply({"agents": [listing.prune(each, wanted) for each in found]})


def networks_of(request: ApiRequest, agent_id: str) -> Reply:
    items = [network(item, request.context) for item in operations.networks_of(request, agent_id)]
    return Reply({"networks": [listing.prune(item, listing.fields(request)) for item in items]})


def add_network(request: ApiRequest, agent_id: str) -> Reply:
    validate(request.body, AGENT_NETWORK)
    operations.add_network(request, agent_id, request.body["network_id"])
    return Reply(b"null", 201)  # clients read JSON


def remove_network(request: ApiRequest, agent_id: str, network_id: str) -> Reply:
    operations.remove_network(request, agent_id, network_id)
    return Reply(status=204)
