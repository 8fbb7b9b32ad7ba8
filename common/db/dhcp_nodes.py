"""Which nodes answer DHCP in a network: all that have a port in it, and those that an administrator has named."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.db import network_state
from common.db.models import DhcpNode, Network, Node, Port
from common.db.upsert import insert_ignore
from common.errors import Conflict


def networks_of(session: Session, node_id: str) -> Sequence[Network]:
    """The networks whose DHCP a node answers, by id."""
    named = sa.select(DhcpNode.network_id).where(DhcpNode.node_id == node_id)
    plugged = sa.select(Port.network_id).where(_plugged(), Port.binding_node_id == node_id)
    chosen = sa.or_(Network.id.in_(named), Network.id.in_(plugged))
    return session.scalars(sa.select(Network).where(chosen).order_by(Network.id)).all()


def nodes_of(session: Session, network_id: str) -> list[str]:
    """Ids of the nodes that answer a network's DHCP."""
    named = sa.select(DhcpNode.node_id).where(DhcpNode.network_id == network_id)
    plugged = sa.select(Port.binding_node_id).where(_plugged(), Port.network_id == network_id)
    return list(session.scalars(sa.select(Node.id).where(sa.or_(Node.id.in_(named), Node.id.in_(plugged)))))


def _plugged() -> sa.ColumnElement[bool]:
    """Guests' ports: where only a router has the network, nobody asks."""
    return sa.and_(Port.binding_node_id.is_not(None), Port.device_owner.not_like("network:%"))


def add(session: Session, network_id: str, node_id: str) -> None:
    """Raises Conflict when the node answers the network's DHCP already."""
    if node_id in nodes_of(session, network_id):
        raise Conflict(
            f"The network {network_id} has been already hosted by the DHCP Agent of this node.",
            neutron_type="NetworkHostedByDHCPAgent",
        )
    insert_ignore(session, DhcpNode, [{"network_id": network_id, "node_id": node_id}])
    network_state.touch_for_network(session, network_id)


def remove(session: Session, network_id: str, node_id: str, agent_id: str) -> None:
    """Raises Conflict when nobody named the node, or ports on it need the answers."""
    network_state.touch_for_network(session, network_id)
    named = sa.delete(DhcpNode).where(DhcpNode.network_id == network_id, DhcpNode.node_id == node_id)
    done = session.execute(named.execution_options(synchronize_session=False))
    if node_id in nodes_of(session, network_id):
        raise Conflict(
            f"The network {network_id} has ports on the node of agent {agent_id}, which only that node answers.",
            neutron_type="NetworkInUse",
        )
    if not done.rowcount:  # type: ignore[attr-defined]
        raise Conflict(
            f"The network {network_id} is not hosted by the DHCP agent {agent_id}.",
            neutron_type="NetworkNotHostedByDhcpAgent",
        )
