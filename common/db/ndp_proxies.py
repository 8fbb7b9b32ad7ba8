"""NDP proxies: IPv6 addresses inside that a router answers for in its external network, so that outside reaches them.

With them a router lets nothing else of IPv6 in. The address has to be routable out there as it is: both networks are of
one address scope. Callers hold the router and own the transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from common.context import RequestContext
from common.db import floating_links
from common.db.filters import Filters, apply
from common.db.models import IpAllocation, NdpProxy, Port, Router, Subnet, SubnetPool
from common.db.paging import Page, fetch
from common.db.router_state import INTERFACE_OWNER
from common.errors import Conflict, InvalidRequest, NotFound
from common.ids import new_id

COLUMNS = {
    "id": NdpProxy.id,
    "project_id": NdpProxy.project_id,
    "name": NdpProxy.name,
    "description": NdpProxy.description,
    "router_id": NdpProxy.router_id,
    "port_id": NdpProxy.port_id,
    "ip_address": NdpProxy.ip_address,
    "revision_number": NdpProxy.revision_number,
    "created_at": NdpProxy.created_at,
    "updated_at": NdpProxy.updated_at,
}


@dataclass(frozen=True)
class NewProxy:
    """ip_address: in canonical spelling; None: the port's first address that the router reaches."""

    project_id: str
    name: str = ""
    description: str = ""
    ip_address: str | None = None


def visible(context: RequestContext) -> sa.ColumnElement[bool]:
    return sa.true() if context.is_admin else NdpProxy.project_id == context.project_id


def get_visible(session: Session, proxy_id: str, context: RequestContext) -> NdpProxy:
    """Raises NotFound, in the same words for a stranger's and for none."""
    query = sa.select(NdpProxy).where(NdpProxy.id == proxy_id, visible(context))
    found = session.scalar(query.execution_options(populate_existing=True))
    if found is None:
        raise NotFound(f"Ndp proxy {proxy_id} could not be found.", neutron_type="NDPProxyNotFound")
    return found


def list_(session: Session, context: RequestContext, filters: Filters, page: Page) -> list[NdpProxy]:
    query = apply(sa.select(NdpProxy).where(visible(context)), COLUMNS, filters)
    return fetch(session, query, page, columns=COLUMNS, default=(("id", False),), key=NdpProxy.id)


def enable(session: Session, router: Router, now: datetime) -> None:
    """Raises Conflict when the gateway can't carry it: none, no IPv6 address, no address scope."""
    given = sa.select(IpAllocation.ip_address).where(IpAllocation.port_id == router.gateway_port_id)
    has_ipv6 = any(":" in address for address in session.scalars(given))
    if not has_ipv6 or _scope_of(session, str(router.gateway_network_id)) is None:
        raise Conflict(
            f"The router {router.id} has no external gateway, or the external gateway port has no IPv6 address or IPv6 "
            f"address scope: neighbours can't be answered for there.",
            neutron_type="RouterGatewayNotValid",
        )
    _switch(session, router, now, on=True)


def disable(session: Session, router: Router, now: datetime) -> None:
    """What the router was to answer for is kept, and has no effect meanwhile."""
    _switch(session, router, now, on=False)


def _switch(session: Session, router: Router, now: datetime, *, on: bool) -> None:
    router.enable_ndp_proxy, router.updated_at = on, now
    session.flush()
    floating_links.touch_routers(session, {router.id})


def _scope_of(session: Session, network_id: str) -> str | None:
    """The IPv6 address scope of a network: that of the pool that its subnets are from."""
    return session.scalar(
        sa.select(SubnetPool.address_scope_id)
        .join(Subnet, Subnet.subnetpool_id == SubnetPool.id)
        .where(Subnet.network_id == network_id, Subnet.ip_version == 6, SubnetPool.address_scope_id.is_not(None))
        .limit(1)
    )


def create(session: Session, router: Router, port: Port, new: NewProxy, now: datetime) -> NdpProxy:
    """The caller has found router and port its own. Raises Conflict, InvalidRequest."""
    reached = _reached(session, router, port)
    if not router.enable_ndp_proxy:
        raise Conflict(
            f"The enable_ndp_proxy parameter of router {router.id} must be set as True while create ndp proxy entry on it.",
            neutron_type="RouterNDPProxyNotEnable",
        )
    address = _address(session, router, port, reached, new.ip_address)
    outside, inside = _scope_of(session, str(router.gateway_network_id)), _scope_of(session, port.network_id)
    if outside != inside:
        raise Conflict(
            f"The IPv6 address scope {outside} of external network conflict with internal network's IPv6 address scope "
            f"{inside}.",
            neutron_type="AddressScopeConflict",
        )
    made = NdpProxy(
        id=new_id(), project_id=new.project_id, name=new.name, description=new.description, router_id=router.id,
        port_id=port.id, ip_address=address, revision_number=0, created_at=now, updated_at=now,
    )  # fmt: skip
    taken = Conflict(
        f"A ndp proxy for address {address} of port {port.id} is there already.", neutron_type="NDPProxyDuplicate"
    )
    session.add(made)
    try:
        session.flush()
    except IntegrityError as err:
        raise taken from err
    floating_links.touch_routers(session, {router.id})
    return made


def _reached(session: Session, router: Router, port: Port) -> set[str]:
    """The subnets of the port's network that the router has an interface in. Raises Conflict when there are none."""
    here = sa.select(IpAllocation.subnet_id).join(Port, Port.id == IpAllocation.port_id)
    mine = here.where(
        Port.device_id == router.id, Port.device_owner == INTERFACE_OWNER, Port.network_id == port.network_id
    )
    found = set(session.scalars(mine))
    if not found:
        raise Conflict(
            f"The port {port.id} cannot reach the router {router.id} by IPv6 subnet.",
            neutron_type="PortUnreachableRouter",
        )
    return found


def _address(session: Session, router: Router, port: Port, reached: set[str], asked: str | None) -> str:
    given = session.execute(
        sa.select(IpAllocation.ip_address, IpAllocation.subnet_id)
        .where(IpAllocation.port_id == port.id)
        .order_by(IpAllocation.position, IpAllocation.ip_address)
    ).all()
    ipv6 = {address: subnet_id for address, subnet_id in given if ":" in address}
    if not ipv6:
        raise InvalidRequest(
            f"Bad ndp_proxy request: Requested port {port.id} must allocate one IPv6 address at least.",
            neutron_type="BadRequest",
        )
    if asked is not None and ipv6.get(asked) not in reached:
        raise InvalidRequest(
            f"The address {asked} is invalid, reason: it is not one of port {port.id} that router {router.id} reaches.",
            neutron_type="InvalidAddress",
        )
    found = asked or next((address for address, subnet_id in ipv6.items() if subnet_id in reached), None)
    if found is None:
        raise Conflict(
            f"The port {port.id} cannot reach the router {router.id} by IPv6 subnet.",
            neutron_type="PortUnreachableRouter",
        )
    return found


def update(session: Session, row: NdpProxy, changes: Mapping[str, Any], now: datetime) -> None:
    for key, value in changes.items():
        setattr(row, key, value)
    row.revision_number += 1
    row.updated_at = now
    session.flush()


def delete(session: Session, row: NdpProxy) -> None:
    router_id = row.router_id
    session.delete(row)
    session.flush()
    floating_links.touch_routers(session, {router_id})


def check_gateway_unused(session: Session, router: Router) -> None:
    """Raises Conflict while the router answers for addresses outside."""
    if session.scalar(sa.select(sa.exists().where(NdpProxy.router_id == router.id))):
        raise Conflict(
            f"Unable to unset external gateway of router {router.id}: there are one or more ndp proxies still in use.",
            neutron_type="RouterGatewayInUseByNDPProxy",
        )


def check_subnet_unused(session: Session, router: Router, subnet_id: str) -> None:
    """Raises Conflict while the router answers for an address of the subnet."""
    mine = sa.and_(IpAllocation.port_id == NdpProxy.port_id, IpAllocation.ip_address == NdpProxy.ip_address)
    here = sa.select(NdpProxy.id).join(IpAllocation, mine)
    if session.scalar(here.where(NdpProxy.router_id == router.id, IpAllocation.subnet_id == subnet_id).limit(1)):
        raise Conflict(
            f"Unable to remove subnet {subnet_id} from router {router.id}: there are one or more ndp proxies still in "
            f"use on the subnet.",
            neutron_type="RouterInterfaceInUseByNDPProxy",
        )
