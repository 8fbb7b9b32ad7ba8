"""Port forwardings: single ports of a floating IP that stands for no fixed address as a whole, or ranges of them.

Decisions are made while the rows of the floating IP and of the port are held, so that ranges stay apart; constraints keep
single ports from being forwarded twice whatever happens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from common.db import floating_ips, floating_links, ports
from common.db.filters import Filters, apply
from common.db.models import FloatingIp, Port, PortForwarding
from common.db.paging import Page, fetch
from common.errors import Conflict, InvalidRequest, NotFound
from common.ids import new_id

COLUMNS = {
    "id": PortForwarding.id,
    "protocol": PortForwarding.protocol,
    "external_port": PortForwarding.external_port,
    "internal_port_id": PortForwarding.internal_port_id,
    "internal_ip_address": PortForwarding.internal_ip_address,
    "internal_port": PortForwarding.internal_port,
    "description": PortForwarding.description,
}


@dataclass(frozen=True)
class Forwarding:
    """One as it shall be; internal_ip_address in canonical spelling, None: the port's only IPv4 address."""

    protocol: str
    external_port: int
    internal_port: int
    internal_ip_address: str | None
    external_port_last: int | None = None
    internal_port_last: int | None = None
    description: str = ""


def get(session: Session, floating: FloatingIp, forwarding_id: str) -> PortForwarding:
    """Raises NotFound."""
    found = session.scalar(
        sa.select(PortForwarding).where(
            PortForwarding.id == forwarding_id, PortForwarding.floating_ip_id == floating.id
        )
    )
    if found is None:
        raise NotFound(f"Port Forwarding {forwarding_id} could not be found.", neutron_type="PortForwardingNotFound")
    return found


def list_(session: Session, floating: FloatingIp, filters: Filters, page: Page) -> list[PortForwarding]:
    query = apply(sa.select(PortForwarding).where(PortForwarding.floating_ip_id == floating.id), COLUMNS, filters)
    return fetch(session, query, page, columns=COLUMNS, default=(("id", False),), key=PortForwarding.id)


def of_floating_ips(session: Session, rows: Sequence[FloatingIp]) -> dict[str, list[PortForwarding]]:
    """By floating IP; one statement."""
    found: dict[str, list[PortForwarding]] = {}
    query = sa.select(PortForwarding).where(PortForwarding.floating_ip_id.in_([row.id for row in rows]))
    for each in session.scalars(query.order_by(PortForwarding.protocol, PortForwarding.external_port)):
        found.setdefault(each.floating_ip_id, []).append(each)
    return found


def create(session: Session, floating: FloatingIp, port: Port, wanted: Forwarding, now: datetime) -> PortForwarding:
    """The caller holds the floating IP and has found the port its owner's. Raises InvalidRequest, NotFound, Conflict."""
    if floating.port_id is not None:
        raise Conflict(
            f"Cannot associate floating IP {floating.address} ({floating.id}) with port {port.id} using fixed IP "
            f"{wanted.internal_ip_address}, as that fixed IP already has a floating IP on external network "
            f"{floating.network_id}.",
            neutron_type="FloatingIPPortAlreadyAssociated",
        )
    address = _target(session, floating, port, wanted.internal_ip_address)
    made = PortForwarding(
        id=new_id(),
        floating_ip_id=floating.id,
        protocol=wanted.protocol,
        external_port=wanted.external_port,
        external_port_last=wanted.external_port_last,
        internal_port_id=port.id,
        internal_ip_address=address,
        internal_port=wanted.internal_port,
        internal_port_last=wanted.internal_port_last,
        description=wanted.description,
        created_at=now,
        updated_at=now,
    )
    _check_apart(session, made)
    session.add(made)
    _flush(session, made)
    floating_links.touch_routers(session, {floating.router_id})
    return made


def _target(session: Session, floating: FloatingIp, port: Port, fixed: str | None) -> str:
    """The fixed address that is meant; the floating IP takes the router that joins the two."""
    chosen = floating_ips.fixed_address(session, port, fixed)
    whole = sa.and_(FloatingIp.port_id == port.id, FloatingIp.fixed_ip_address == chosen.ip_address)
    if session.scalar(sa.select(sa.exists().where(whole))):
        raise Conflict(
            f"Cannot create port forwarding to floating IP {floating.address} ({floating.id}) with port {port.id} using "
            f"fixed IP {chosen.ip_address}, as that port already has a binding floating IP.",
            neutron_type="PortHasBindingFloatingIP",
        )
    router = floating_ips.router_for(session, port, chosen, floating.network_id)
    if floating.router_id not in (None, router.id):
        raise floating_ips.bad_request(f"Floating IP {floating.id} forwards by router {floating.router_id} already")
    floating.router_id = router.id
    floating.status = floating_links.status_by(router)
    session.flush()
    return chosen.ip_address


def _check_apart(session: Session, row: PortForwarding) -> None:
    """Raises InvalidRequest where a port outside, or inside, is of another forwarding already. The caller holds both."""
    last = sa.func.coalesce(PortForwarding.external_port_last, PortForwarding.external_port)
    outside = sa.and_(
        PortForwarding.floating_ip_id == row.floating_ip_id,
        PortForwarding.external_port <= (row.external_port_last or row.external_port),
        last >= row.external_port,
    )
    fixed_last = sa.func.coalesce(PortForwarding.internal_port_last, PortForwarding.internal_port)
    inside = sa.and_(
        PortForwarding.internal_port_id == row.internal_port_id,
        PortForwarding.internal_ip_address == row.internal_ip_address,
        PortForwarding.internal_port <= (row.internal_port_last or row.internal_port),
        fixed_last >= row.internal_port,
    )
    mine = sa.and_(PortForwarding.protocol == row.protocol, PortForwarding.id != row.id)
    with session.no_autoflush:
        other = session.scalar(sa.select(PortForwarding.id).where(mine, outside | inside).limit(1))
    if other is not None:
        raise _duplicate(row)


def _duplicate(row: PortForwarding) -> InvalidRequest:
    facts = {"protocol": row.protocol, "external_port": row.external_port, "internal_port": row.internal_port}
    return InvalidRequest(
        f"Bad port_forwarding request: A duplicate port forwarding entry with same attributes already exists, "
        f"conflicting values are {facts}.",
        neutron_type="BadRequest",
    )


def _flush(session: Session, row: PortForwarding) -> None:
    taken = _duplicate(row)  # said now: after a refusal the session reads nothing
    try:
        session.flush()
    except IntegrityError as err:
        raise taken from err


def update(
    session: Session, floating: FloatingIp, row: PortForwarding, changes: Mapping[str, Any], now: datetime
) -> None:
    """Write changes by column name; another port or address must be reachable, too. The caller holds the port."""
    with session.no_autoflush:
        for key, value in changes.items():
            setattr(row, key, value)
        _check_apart(session, row)
    if {"internal_port_id", "internal_ip_address"} & set(changes):
        port = ports.get(session, row.internal_port_id)
        row.internal_ip_address = _target(session, floating, port, changes.get("internal_ip_address"))
        _check_apart(session, row)
    row.updated_at = now
    _flush(session, row)
    floating_links.touch_routers(session, {floating.router_id})


def delete(session: Session, floating: FloatingIp, row: PortForwarding) -> None:
    session.delete(row)
    session.flush()
    floating_links.touch_routers(session, {floating.router_id})
    floating_links.loosen_unused(session)
