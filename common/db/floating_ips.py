"""Floating IPs: an address of an external network for a project, and the fixed address that it stands for.

The address is held by a port of no project, so that it is given only once; that a fixed address has one floating IP at
most is a constraint. Lock order: quota, router, port, address.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from common.context import RequestContext
from common.db import floating_links, network_tags, networks, ports, quotas
from common.db.addresses import RequestedAddress
from common.db.filters import Filters
from common.db.models import FloatingIp, IpAllocation, Network, Port, PortForwarding, Router, Subnet
from common.db.paging import Page, fetch
from common.db.ports import NewPort
from common.db.router_state import FLOATING_OWNER, INTERFACE_OWNER
from common.errors import Conflict, InvalidRequest, NotFound
from common.ids import new_id

COLUMNS = {
    "id": FloatingIp.id,
    "project_id": FloatingIp.project_id,
    "description": FloatingIp.description,
    "floating_network_id": FloatingIp.network_id,
    "floating_ip_address": FloatingIp.address,
    "fixed_ip_address": FloatingIp.fixed_ip_address,
    "port_id": FloatingIp.port_id,
    "router_id": FloatingIp.router_id,
    "status": FloatingIp.status,
    "dns_name": FloatingIp.dns_name,
    "dns_domain": FloatingIp.dns_domain,
    "qos_policy_id": FloatingIp.qos_policy_id,
    "revision_number": FloatingIp.revision_number,
    "created_at": FloatingIp.created_at,
    "updated_at": FloatingIp.updated_at,
}


@dataclass(frozen=True)
class NewFloatingIp:
    """wanted: a subnet or an address of the external network; None: any."""

    project_id: str
    network_id: str
    wanted: RequestedAddress | None = None
    description: str = ""
    dns_name: str = ""
    dns_domain: str = ""
    qos_policy_id: str | None = None


def not_found(floating_ip_id: str) -> NotFound:
    return NotFound(f"Floating IP {floating_ip_id} could not be found", neutron_type="FloatingIPNotFound")


def bad_request(reason: str) -> InvalidRequest:
    return InvalidRequest(f"Bad floatingip request: {reason}.", neutron_type="BadRequest")


def visible(context: RequestContext) -> sa.ColumnElement[bool]:
    return sa.true() if context.is_admin else FloatingIp.project_id == context.project_id


def get_visible(session: Session, floating_ip_id: str, context: RequestContext, *, lock: bool = False) -> FloatingIp:
    """Raises NotFound, in the same words for a stranger's and for none."""
    query = (
        sa.select(FloatingIp)
        .where(FloatingIp.id == floating_ip_id, visible(context))
        .execution_options(populate_existing=True)
    )
    found = session.scalar(query.with_for_update() if lock else query)
    if found is None:
        raise not_found(floating_ip_id)
    return found


def by_address(session: Session, address: str, context: RequestContext) -> FloatingIp | None:
    """One that the caller may see."""
    return session.scalar(sa.select(FloatingIp).where(FloatingIp.address == address, visible(context)).limit(1))


def list_(session: Session, context: RequestContext, filters: Filters, page: Page) -> list[FloatingIp]:
    query = network_tags.narrow(sa.select(FloatingIp).where(visible(context)), COLUMNS, filters)
    return fetch(session, query, page, columns=COLUMNS, default=(("id", False),), key=FloatingIp.id)


def create(
    session: Session, new: NewFloatingIp, now: datetime, *, mac_prefix: str, limits: Mapping[str, int]
) -> FloatingIp:
    """One that stands for nothing yet. Raises QuotaExceeded, InvalidRequest (not external), Conflict (no address)."""
    quotas.take(session, new.project_id, {"floatingip": 1}, limits)
    network = session.get_one(Network, new.network_id)
    if not network.external:
        raise bad_request(f"Network {network.id} is not a valid external network")
    made_id = new_id()
    holder = NewPort(
        id=new_id(),
        network_id=network.id,
        project_id="",
        device_id=made_id,
        device_owner=FLOATING_OWNER,
        fixed_ips=(new.wanted,) if new.wanted else None,
        security_groups=(),
        port_security_enabled=False,
    )
    port = ports.create(session, holder, now, mac_prefix=mac_prefix, quota={})
    given = ports.addresses_for(session, [port.id]).get(port.id, [])
    address = next((each.ip_address for each in given if ":" not in each.ip_address), None)
    if address is None:
        raise InvalidRequest(
            f"Unable to find any IP address on external network {network.id}.",
            neutron_type="ExternalIpAddressExhausted",
        )
    port.status = "N/A"
    made = FloatingIp(
        id=made_id,
        project_id=new.project_id,
        description=new.description,
        network_id=network.id,
        address=address,
        external_port_id=port.id,
        status="DOWN",
        dns_name=new.dns_name,
        dns_domain=new.dns_domain,
        qos_policy_id=new.qos_policy_id,
        revision_number=1,
        created_at=now,
        updated_at=now,
    )
    session.add(made)
    session.flush()
    return made


def associate(
    session: Session, floating: FloatingIp, port: Port, fixed: str | None, now: datetime, *, via: Router | None = None
) -> None:
    """Let it stand for an address of a port, which the caller has found its owner's.

    via: the router that translates, wherever the port is; the ways between the two are their owner's to lay.
    Raises InvalidRequest (the port hasn't that address), NotFound (no router joins the two), Conflict (taken already,
    or `via` doesn't lead to the external network).
    """
    address = fixed_address(session, port, fixed)
    _check_not_forwarding(session, floating)
    router = via or router_for(session, port, address, floating.network_id)
    _check_leads_out(router, floating)
    before = floating.router_id
    taken = Conflict(
        f"Cannot associate floating IP {floating.address} ({floating.id}) with port {port.id} using fixed IP "
        f"{address.ip_address}, as that fixed IP already has a floating IP on external network {floating.network_id}.",
        neutron_type="FloatingIPPortAlreadyAssociated",
    )
    other = sa.and_(FloatingIp.port_id == port.id, FloatingIp.fixed_ip_address == address.ip_address)
    if session.scalar(sa.select(sa.exists().where(other, FloatingIp.id != floating.id))):
        raise taken
    floating.port_id, floating.fixed_ip_address, floating.router_id = port.id, address.ip_address, router.id
    floating.status = floating_links.status_by(router)
    try:
        _revise(session, floating, now)
    except IntegrityError as err:  # another request at this moment
        raise taken from err
    floating_links.touch_routers(session, {before, router.id})


def _check_leads_out(router: Router, floating: FloatingIp) -> None:
    if router.gateway_network_id != floating.network_id:
        raise Conflict(
            f"Router {router.id} has no gateway on external network {floating.network_id} of floating IP "
            f"{floating.address}.",
            neutron_type="FloatingIPRouterWithoutGateway",
        )


def _check_not_forwarding(session: Session, floating: FloatingIp) -> None:
    if session.scalar(sa.select(sa.exists().where(PortForwarding.floating_ip_id == floating.id))):
        raise Conflict(
            f"Floating IP {floating.id} in use by Port Forwarding resources.", neutron_type="FipInUseByPortForwarding"
        )


def fixed_address(session: Session, port: Port, fixed: str | None) -> IpAllocation:
    """The address of the port that is meant."""
    given = [each for each in ports.addresses_for(session, [port.id]).get(port.id, []) if ":" not in each.ip_address]
    if fixed is not None:
        found = next((each for each in given if each.ip_address == str(ipaddress.ip_address(fixed))), None)
        if found is None:
            raise bad_request(f"Port {port.id} does not have fixed ip {fixed}")
        return found
    if not given:
        raise bad_request(f"Cannot add floating IP to port {port.id} that has no fixed IPv4 addresses")
    if len(given) > 1:
        raise bad_request(
            f"Port {port.id} has multiple fixed IPv4 addresses.  Must provide a specific IPv4 address when assigning a "
            f"floating IP"
        )
    return given[0]


def router_for(session: Session, port: Port, address: IpAllocation, external_id: str) -> Router:
    """The router that joins an address' subnet with an external network, held. Raises NotFound.

    Where several do, the one that has the subnet's gateway address, as guests answer by it.
    """
    found = session.execute(
        sa.select(Router, IpAllocation.ip_address, Subnet.gateway_ip)
        .join(Port, sa.and_(Port.device_id == Router.id, Port.device_owner == INTERFACE_OWNER))
        .join(IpAllocation, IpAllocation.port_id == Port.id)
        .join(Subnet, Subnet.id == IpAllocation.subnet_id)
        .where(IpAllocation.subnet_id == address.subnet_id, Router.gateway_network_id == external_id)
        .order_by(Router.id)
        .with_for_update(of=Router, key_share=True)
    ).all()
    if not found:
        raise NotFound(
            f"External network {external_id} is not reachable from subnet {address.subnet_id}.  Therefore, cannot "
            f"associate Port {port.id} with a Floating IP.",
            neutron_type="ExternalGatewayForFloatingIPNotFound",
        )
    by_gateway = [row[0] for row in found if row[1] == row[2]]
    return (by_gateway or [row[0] for row in found])[0]


def dissociate(session: Session, floating: FloatingIp, now: datetime) -> None:
    before = floating.router_id
    if floating.port_id is None:
        return
    for name, value in floating_links.LOOSE.items():
        setattr(floating, name, value)
    _revise(session, floating, now)
    floating_links.touch_routers(session, {before})


def update(session: Session, floating: FloatingIp, changes: Mapping[str, Any], now: datetime) -> None:
    """Write changes by column name: its description, the QoS policy that limits it."""
    for key, value in changes.items():
        setattr(floating, key, value)
    _revise(session, floating, now)
    if "qos_policy_id" in changes:
        floating_links.touch_routers(session, {floating.router_id})


def _revise(session: Session, floating: FloatingIp, now: datetime) -> None:
    floating.revision_number += 1
    floating.updated_at = now
    session.flush()


def delete(session: Session, floating: FloatingIp, now: datetime) -> None:
    """Give the address back. The caller holds the row. Raises Conflict while ports of it are forwarded."""
    _check_not_forwarding(session, floating)
    quotas.lock(session, [floating.project_id, ""])
    floating_links.touch_routers(session, {floating.router_id})
    project_id, port_id = floating.project_id, floating.external_port_id
    network_tags.forget(session, [floating.id])
    session.delete(floating)
    session.flush()
    ports.delete(session, port_id, now)
    quotas.release(session, project_id, {"floatingip": 1})


def delete_loose(session: Session, network_id: str, now: datetime) -> None:
    """Give back those of an external network that stand for nothing: they don't keep it from being deleted."""
    forwards = sa.exists().where(PortForwarding.floating_ip_id == FloatingIp.id)
    loose = sa.select(FloatingIp).where(FloatingIp.network_id == network_id, FloatingIp.port_id.is_(None), ~forwards)
    for floating in session.scalars(loose.order_by(FloatingIp.id).with_for_update()).all():
        delete(session, floating, now)


def ports_of(session: Session, rows: Sequence[FloatingIp]) -> dict[str, Port]:
    """The ports that floating IPs stand for, by id; one statement."""
    wanted = {row.port_id for row in rows if row.port_id}
    if not wanted:
        return {}
    return {port.id: port for port in session.scalars(sa.select(Port).where(Port.id.in_(wanted)))}


def pools(session: Session, context: RequestContext) -> Sequence[Subnet]:
    """The IPv4 subnets of the external networks that the caller sees, in a stable order."""
    outside = sa.select(Network.id).where(Network.external.is_(True), networks.visible(context))
    return session.scalars(
        sa.select(Subnet)
        .where(Subnet.network_id.in_(outside), Subnet.ip_version == 4)
        .order_by(Subnet.network_id, Subnet.created_at, Subnet.id)
    ).all()
