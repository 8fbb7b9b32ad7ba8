"""What requests about networks on DHCP agents mean. A DHCP agent is a node under an id of its own."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from api.network.operations.networks import ShownNetwork, shown
from api.request import ApiRequest
from common.db import dhcp_nodes, network_agents, networks
from common.db.network_agents import NetworkAgent
from common.errors import Conflict, NotFound


def of_network(request: ApiRequest, network_id: str) -> list[NetworkAgent]:
    """The nodes that answer a network's DHCP, by name."""
    with request.services.db.read() as session:
        networks.get_visible(session, network_id, request.context)
        serving = set(dhcp_nodes.nodes_of(session, network_id))
        return [row for row in network_agents.list_(session) if row.id in serving]


def networks_of(request: ApiRequest, agent_id: str) -> list[ShownNetwork]:
    with request.services.db.read() as session:
        return shown(session, dhcp_nodes.networks_of(session, _node(session, agent_id).id), request.context)


def add_network(request: ApiRequest, agent_id: str, network_id: str) -> None:
    """Have a node answer a network's DHCP, whether or not it has a port in it. Raises Conflict."""

    def work(session: Session) -> None:
        node = _node(session, agent_id)
        networks.get_visible(session, network_id, request.context)
        dhcp_nodes.add(session, network_id, node.id)

    request.services.db.run(work)


def remove_network(request: ApiRequest, agent_id: str, network_id: str) -> None:
    """Raises Conflict while ports on the node need it."""

    def work(session: Session) -> None:
        node = _node(session, agent_id)
        networks.get_visible(session, network_id, request.context)
        dhcp_nodes.remove(session, network_id, node.id, agent_id)

    request.services.db.run(work)


def _node(session: Session, agent_id: str) -> NetworkAgent:
    rows: Sequence[NetworkAgent] = network_agents.list_(session)
    for row in rows:
        if agent_id == network_agents.dhcp_agent_id(row.id):
            return row
        if agent_id in (row.id, network_agents.l3_agent_id(row.id)):
            raise Conflict(
                f"Agent {agent_id} is not a valid DHCP Agent or has been disabled.", neutron_type="InvalidDHCPAgent"
            )
    raise NotFound(f"Agent {agent_id} could not be found.", neutron_type="AgentNotFound")
