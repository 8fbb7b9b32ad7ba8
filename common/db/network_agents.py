"""Nodes as the network API's agents: who they are and whether they are heard of.

Every node answers DHCP in its networks, so it is a DHCP agent, too; a gateway node is an L3 agent besides. To Neutron's
clients these are agents of their own, with ids that follow from the node's.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.db.models import Node

_L3_AGENTS = uuid.UUID("6f1c7a52-5a0e-4c0b-9d4e-0f5c6f0f3a11")
_DHCP_AGENTS = uuid.UUID("b3f0a0c4-3f38-4d0d-8a5c-6d0c3c7e9a52")


def l3_agent_id(node_id: str | None) -> str:
    """The same for the same node."""
    return str(uuid.uuid5(_L3_AGENTS, node_id or ""))


def dhcp_agent_id(node_id: str | None) -> str:
    return str(uuid.uuid5(_DHCP_AGENTS, node_id or ""))


@dataclass(frozen=True)
class NetworkAgent:
    id: str
    host: str
    created_at: datetime
    last_heartbeat_at: datetime | None
    network_wanted: int
    network_applied: int
    is_gateway: bool
    description: str


def list_(session: Session, node_id: str | None = None) -> list[NetworkAgent]:
    """All nodes by name, or the one with this id."""
    query = sa.select(
        Node.id,
        Node.name,
        Node.created_at,
        Node.last_heartbeat_at,
        Node.network_wanted,
        Node.network_applied,
        Node.is_gateway,
        Node.network_description,
    ).order_by(Node.name)
    if node_id is not None:
        query = query.where(Node.id == node_id)
    return [NetworkAgent(*row) for row in session.execute(query)]


def node_of(session: Session, agent_id: str) -> str | None:
    """The node that an agent of any kind is."""
    for row in list_(session):
        l3 = {l3_agent_id(row.id)} if row.is_gateway else set()
        if agent_id in {row.id, dhcp_agent_id(row.id)} | l3:
            return row.id
    return None


def describe(session: Session, node_id: str, description: str) -> None:
    """One description for all the agents that a node is."""
    session.execute(sa.update(Node).where(Node.id == node_id).values(network_description=description))
