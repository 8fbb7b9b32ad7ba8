"""Nodes as the network API's agents: who they are and whether they are heard of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.db.models import Node


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


def describe(session: Session, node_id: str, description: str) -> None:
    session.execute(sa.update(Node).where(Node.id == node_id).values(network_description=description))
