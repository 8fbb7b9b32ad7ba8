"""Subports follow their trunk's parent port: to the node that it is plugged into, and off it.

Called in the transaction that binds or changes the parent; what nodes must be told of is the caller's to touch, so that
it locks them all in one order.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.db.models import Node, Port, Subport, Trunk

SUBPORT_OWNER = "trunk:subport"


@dataclass
class Concerned:
    """Networks of subports that came or went, and nodes that they were on."""

    network_ids: set[str] = field(default_factory=set)
    node_ids: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class _Place:
    """Where the subports of a trunk belong now, and what they and the trunk are then."""

    node_id: str | None
    epoch: int
    status: str
    trunk_status: str


def follow(session: Session, parent_ids: Collection[str], now: datetime) -> Concerned:
    """Put the subports of these parents' trunks where each parent is; repeated, it changes nothing.

    A trunk is ACTIVE when its parent is and the node's kernel can tag frames, DEGRADED when it can't: then the parent
    works, and no subport. One that is switched off carries nothing.
    """
    rows = session.execute(
        sa.select(Trunk.id, Trunk.admin_state_up, Port.binding_node_id, Port.binding_epoch, Port.status, Node.inventory)
        .join(Port, Port.id == Trunk.port_id)
        .outerjoin(Node, Node.id == Port.binding_node_id)
        .where(Trunk.port_id.in_(sorted(parent_ids)))
        .order_by(Trunk.id)
    ).all()
    found = Concerned()
    for trunk_id, *facts in rows:
        _move(session, trunk_id, _place(*facts), now, found)
    return found


def settle(session: Session, port_id: str, now: datetime) -> Concerned:
    """As `follow`, for the trunk that a port is in, in either role, if it is in one."""
    inside = sa.or_(Trunk.port_id == port_id, Subport.port_id == port_id)
    query = sa.select(Trunk.port_id).outerjoin(Subport, Subport.trunk_id == Trunk.id).where(inside).distinct()
    parents = session.scalars(query).all()
    return follow(session, parents, now) if parents else Concerned()


def _place(
    enabled: bool, node_id: str | None, epoch: int, parent_status: str, inventory: dict[str, Any] | None
) -> _Place:
    if not enabled or node_id is None or parent_status != "ACTIVE":
        return _Place(node_id if enabled else None, epoch, "DOWN", "DOWN")
    if not (inventory or {}).get("vlans"):
        return _Place(node_id, epoch, "DOWN", "DEGRADED")
    return _Place(node_id, epoch, "ACTIVE", "ACTIVE")


def _move(session: Session, trunk_id: str, place: _Place, now: datetime, found: Concerned) -> None:
    session.execute(
        sa.update(Trunk)
        .where(Trunk.id == trunk_id, Trunk.status != place.trunk_status)
        .values(status=place.trunk_status, updated_at=now)
        .execution_options(synchronize_session=False)
    )
    carried = sa.select(Subport.port_id).where(Subport.trunk_id == trunk_id)
    wanted: dict[Any, Any] = {
        Port.binding_node_id: place.node_id,
        Port.binding_epoch: place.epoch,
        Port.status: sa.case((Port.admin_state_up, place.status), else_="DOWN"),
        Port.device_owner: SUBPORT_OWNER,
    }
    different = sa.or_(*(column.is_distinct_from(value) for column, value in wanted.items()))
    _set(session, sa.and_(Port.id.in_(carried), different), wanted, now, found)
    found.node_ids |= {place.node_id} if place.node_id else set()


def drop(session: Session, port_ids: Collection[str], now: datetime) -> Concerned:
    """These ports are carried no more: they are on no node, and free."""
    found = Concerned()
    free: dict[Any, Any] = {Port.binding_node_id: None, Port.status: "DOWN", Port.device_owner: ""}
    _set(session, Port.id.in_(sorted(port_ids)), free, now, found)
    return found


def _set(
    session: Session, which: sa.ColumnElement[bool], values: dict[Any, Any], now: datetime, found: Concerned
) -> None:
    before = session.execute(sa.select(Port.network_id, Port.binding_node_id).where(which)).all()
    if not before:
        return
    found.network_ids |= {network_id for network_id, _ in before}
    found.node_ids |= {node_id for _, node_id in before if node_id}
    session.execute(
        sa.update(Port)
        .where(which)
        .values({**values, Port.updated_at: now, Port.revision_number: Port.revision_number + 1})
        .execution_options(synchronize_session=False)
    )
