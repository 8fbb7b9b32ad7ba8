"""What requests about routers on agents mean. An L3 agent is a gateway node under an id of its own."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from api.request import ApiRequest
from common.db import network_agents, router_places, routers
from common.db.models import Router
from common.db.network_agents import NetworkAgent
from common.errors import Conflict, NotFound


def of_router(request: ApiRequest, router_id: str) -> list[NetworkAgent]:
    """The node that has the router, if any."""
    with request.services.db.read() as session:
        router = routers.get_visible(session, router_id, request.context)
        return network_agents.list_(session, router.node_id) if router.node_id else []


def routers_of(request: ApiRequest, agent_id: str) -> Sequence[Router]:
    with request.services.db.read() as session:
        return router_places.of_node(session, _node(session, agent_id).id)


def add_router(request: ApiRequest, agent_id: str, router_id: str) -> None:
    """Have a gateway node take a router that no other one has. Raises Conflict."""

    def work(session: Session) -> None:
        node = _node(session, agent_id)
        router = routers.get_visible(session, router_id, request.context, lock=True)
        if router.node_id not in (None, node.id):
            raise Conflict(
                f"The router {router_id} has been already hosted by the L3 Agent "
                f"{network_agents.l3_agent_id(router.node_id)}.",
                neutron_type="RouterHostedByL3Agent",
            )
        router_places.move(session, router, node.id, request.services.clock.now())

    request.services.db.run(work)


def remove_router(request: ApiRequest, agent_id: str, router_id: str) -> None:
    """Take a router from its node; the scheduler gives it to one that is heard of. Raises Conflict when it is not there."""

    def work(session: Session) -> None:
        node = _node(session, agent_id)
        router = routers.get_visible(session, router_id, request.context, lock=True)
        if router.node_id != node.id:
            raise Conflict(
                f"The router {router_id} is not hosted by L3 agent {agent_id}.", neutron_type="RouterNotHostedByL3Agent"
            )
        router_places.move(session, router, None, request.services.clock.now())

    request.services.db.run(work)


def _node(session: Session, agent_id: str) -> NetworkAgent:
    for row in network_agents.list_(session):
        if row.is_gateway and agent_id == network_agents.l3_agent_id(row.id):
            return row
        if row.id == agent_id:
            raise Conflict(f"Agent {agent_id} is not a L3 Agent or has been disabled.", neutron_type="InvalidL3Agent")
    raise NotFound(f"Agent {agent_id} could not be found.", neutron_type="AgentNotFound")
