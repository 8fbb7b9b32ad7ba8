"""What the trace of a packet asks the tables: who has an address in a network, and what nodes and servers are like."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.orm import Session

from common.db import network_state
from common.db.models import FloatingIp, Instance, IpAllocation, Network, Node, Port, Router, Subport, Trunk
from common.db.router_state import FLOATING_OWNER as _FLOATING_OWNER
from common.db.router_state import ROUTER_OWNERS

DHCP_OWNER, FLOATING_OWNER = network_state.DHCP_OWNER, _FLOATING_OWNER


@dataclass(frozen=True)
class Holder:
    """The port that has an address. router_id: of a router's port, or of what translates a floating address."""

    port_id: str
    owner: str
    node_id: str | None
    router_id: str | None


def holder(session: Session, network_id: str, address: str) -> Holder | None:
    """Who has this address in this network; None when nobody has it."""
    row = session.execute(
        sa.select(Port.id, Port.device_owner, Port.binding_node_id, Port.device_id)
        .join(IpAllocation, IpAllocation.port_id == Port.id)
        .where(IpAllocation.network_id == network_id, IpAllocation.ip_address == address)
    ).first()
    if row is None:
        return None
    port_id, owner, node_id, device_id = row
    if owner in ROUTER_OWNERS:
        return Holder(port_id, owner, node_id, device_id)
    if owner != FLOATING_OWNER:
        return Holder(port_id, owner, node_id, None)
    found = session.execute(
        sa.select(Router.id, Router.node_id)
        .join(FloatingIp, FloatingIp.router_id == Router.id)
        .where(FloatingIp.external_port_id == port_id)
    ).first()
    return Holder(port_id, owner, found[1] if found else None, found[0] if found else None)


def gateway_node(session: Session) -> str | None:
    """The node that is the way out of networks with NAT."""
    return session.scalar(sa.select(network_state.gateway_id()))


def node_addresses(session: Session) -> Sequence[str]:
    return session.scalars(sa.select(Node.address).where(Node.address != "")).all()


def instance_of_port(session: Session, port_id: str) -> Instance | None:
    """A subport is its parent's server's."""
    parent = sa.select(Trunk.port_id).join(Subport, Subport.trunk_id == Trunk.id).where(Subport.port_id == port_id)
    own = Port.id.in_([port_id]) | Port.id.in_(parent)
    return session.scalar(sa.select(Instance).join(Port, Port.device_id == Instance.id).where(own))


def is_without_device(session: Session, port_id: str) -> bool:
    """Whether this is a subport for which its node has no device."""
    down = sa.exists().where(Subport.port_id == Port.id, Port.id == port_id, Port.status != "ACTIVE")
    return bool(session.scalar(sa.select(down)))


def _of_server(instance_id: str) -> sa.ColumnElement[bool]:
    """Its ports, and the subports that they carry."""
    parent = orm.aliased(Port)
    carried = (
        sa.select(Subport.port_id)
        .join(Trunk, Trunk.id == Subport.trunk_id)
        .join(parent, parent.id == Trunk.port_id)
        .where(parent.device_id == instance_id)
    )
    return (Port.device_id == instance_id) | Port.id.in_(carried)


def plugged_ports(session: Session, instance_id: str) -> Sequence[Port]:
    """A server's ports that are bound to a node, in order of its NICs, with the subports that they carry."""
    return session.scalars(
        sa.select(Port)
        .where(_of_server(instance_id), Port.binding_node_id.is_not(None))
        .order_by(Port.nic_order, Port.created_at, Port.id)
    ).all()


@dataclass(frozen=True)
class EndAddress:
    """An address by which a server may be spoken to. floating: one of an external network that stands for it."""

    address: str
    network_id: str
    port_id: str
    floating: bool


def addresses_of(session: Session, instance_id: str) -> list[EndAddress]:
    """Fixed ones first, in order of the NICs."""
    fixed = session.execute(
        sa.select(IpAllocation.ip_address, IpAllocation.network_id, Port.id)
        .join(Port, Port.id == IpAllocation.port_id)
        .where(_of_server(instance_id))
        .order_by(Port.nic_order, Port.created_at, Port.id, IpAllocation.position)
    ).all()
    floating = session.execute(
        sa.select(FloatingIp.address, FloatingIp.network_id, Port.id)
        .join(Port, Port.id == FloatingIp.port_id)
        .where(_of_server(instance_id))
        .order_by(FloatingIp.address)
    ).all()
    return [EndAddress(*row, floating=False) for row in fixed] + [EndAddress(*row, floating=True) for row in floating]


def visible(session: Session, ids: Collection[str], project_id: str) -> set[str]:
    """Of these ids of ports, routers and networks, those that are the project's own."""
    found: set[str] = set()
    for model in (Port, Router, Network):
        found |= set(session.scalars(sa.select(model.id).where(model.id.in_(ids), model.project_id == project_id)))
    return found
