"""Subnets: written after the API has validated them; overlap within a network is decided under the network's lock."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.context import RequestContext
from common.db import addresses, dhcp, network_state, network_tags, networks, quotas, sharing
from common.db.filters import Filters
from common.db.models import IpAllocation, Network, Port, PortSecurityGroup, Subnet
from common.db.paging import Page, fetch
from common.errors import Conflict, InvalidRequest, NotFound
from common.ids import new_id

COLUMNS = {
    "id": Subnet.id,
    "network_id": Subnet.network_id,
    "project_id": Subnet.project_id,
    "name": Subnet.name,
    "description": Subnet.description,
    "ip_version": Subnet.ip_version,
    "cidr": Subnet.cidr,
    "gateway_ip": Subnet.gateway_ip,
    "enable_dhcp": Subnet.enable_dhcp,
    "ipv6_ra_mode": Subnet.ipv6_ra_mode,
    "ipv6_address_mode": Subnet.ipv6_address_mode,
    "subnetpool_id": Subnet.subnetpool_id,
    "revision_number": Subnet.revision_number,
    "created_at": Subnet.created_at,
    "updated_at": Subnet.updated_at,
}


@dataclass(frozen=True)
class NewSubnet:
    """All values in canonical spelling; pools computed."""

    network_id: str
    project_id: str
    ip_version: int
    cidr: str
    gateway_ip: str | None
    allocation_pools: tuple[dict[str, str], ...]
    name: str = ""
    description: str = ""
    enable_dhcp: bool = True
    ipv6_ra_mode: str | None = None
    ipv6_address_mode: str | None = None
    dns_nameservers: tuple[str, ...] = ()
    host_routes: tuple[dict[str, str], ...] = ()
    subnetpool_id: str | None = None
    service_types: tuple[str, ...] = ()


def not_found(subnet_id: str) -> NotFound:
    return NotFound(f"Subnet {subnet_id} could not be found.", neutron_type="SubnetNotFound")


def visible(context: RequestContext) -> sa.ColumnElement[bool]:
    """The condition under which the caller may see a subnet: its own, and those of networks it may use."""
    if context.is_admin:
        return sa.true()
    reachable = sa.select(Network.id).where(networks.usable(context))
    return sa.or_(Subnet.project_id == context.project_id, Subnet.network_id.in_(reachable))


def get_visible(session: Session, subnet_id: str, context: RequestContext) -> Subnet:
    """Raises NotFound, in the same words for a stranger's subnet and for none."""
    subnet = session.scalar(
        sa.select(Subnet).where(Subnet.id == subnet_id, visible(context)).execution_options(populate_existing=True)
    )
    if subnet is None:
        raise not_found(subnet_id)
    return subnet


def list_(session: Session, context: RequestContext, filters: Filters, page: Page) -> list[Subnet]:
    """A subnet is as shared, and leads as far outside, as its network."""
    query = network_tags.narrow(sa.select(Subnet).where(visible(context)), COLUMNS, filters)
    query = sharing.narrow_shared(query, Subnet.network_id, context, filters)
    if "router:external" in filters:
        outside = filters["router:external"][-1].lower() in ("true", "1")
        query = query.where(Subnet.network_id.in_(sa.select(Network.id).where(Network.external.is_(outside))))
    return fetch(session, query, page, columns=COLUMNS, default=(("id", False),), key=Subnet.id)


def of_networks(session: Session, network_ids: Sequence[str]) -> dict[str, list[Subnet]]:
    """Subnets by network; one statement."""
    found: dict[str, list[Subnet]] = {network_id: [] for network_id in network_ids}
    query = sa.select(Subnet).where(Subnet.network_id.in_(network_ids)).order_by(Subnet.created_at, Subnet.id)
    for subnet in session.scalars(query):
        found[subnet.network_id].append(subnet)
    return found


def create(session: Session, new: NewSubnet, now: datetime, *, mac_prefix: str, limits: Mapping[str, int]) -> Subnet:
    """Raises QuotaExceeded, NotFound (the network is gone), InvalidRequest (it overlaps another subnet of it)."""
    quotas.take(session, new.project_id, {"subnet": 1}, limits)
    network = _lock_network(session, new.network_id)
    _check_overlap(session, new)
    networks.check_mtu(network.mtu, new.cidr, new.ip_version)
    subnet = Subnet(
        id=new_id(),
        network_id=new.network_id,
        project_id=new.project_id,
        name=new.name,
        description=new.description,
        ip_version=new.ip_version,
        cidr=new.cidr,
        gateway_ip=new.gateway_ip,
        enable_dhcp=new.enable_dhcp,
        ipv6_ra_mode=new.ipv6_ra_mode,
        ipv6_address_mode=new.ipv6_address_mode,
        dns_nameservers=list(new.dns_nameservers),
        host_routes=list(new.host_routes),
        allocation_pools=list(new.allocation_pools),
        subnetpool_id=new.subnetpool_id,
        service_types=list(new.service_types),
        revision_number=0,
        created_at=now,
        updated_at=now,
    )
    session.add(subnet)
    session.flush()
    dhcp.sync(session, network, now, mac_prefix=mac_prefix)
    networks.revise(session, network.id, now)
    return subnet


def _lock_network(session: Session, network_id: str) -> Network:
    """One change of a network's subnets at a time."""
    network = session.scalar(
        sa.select(Network)
        .where(Network.id == network_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    if network is None:
        raise networks.not_found(network_id)
    return network


def _check_overlap(session: Session, new: NewSubnet) -> None:
    wanted = ipaddress.ip_network(new.cidr)
    others = session.scalars(
        sa.select(Subnet.cidr).where(Subnet.network_id == new.network_id, Subnet.ip_version == new.ip_version)
    )
    if any(wanted.overlaps(ipaddress.ip_network(cidr)) for cidr in others):
        raise InvalidRequest(
            f"Invalid input for operation: Requested subnet with cidr: {new.cidr} for network: {new.network_id} "
            f"overlaps with another subnet.",
            neutron_type="InvalidInput",
        )


def update(session: Session, subnet: Subnet, changes: Mapping[str, Any], now: datetime, *, mac_prefix: str) -> None:
    """Write changes by column name. Raises Conflict when the new gateway's address belongs to a port."""
    network = _lock_network(session, subnet.network_id)
    gateway = changes.get("gateway_ip", subnet.gateway_ip)
    if gateway != subnet.gateway_ip:
        for address in (gateway, subnet.gateway_ip):  # neither a port's, nor away from a router that has it
            if address is not None:
                _check_gateway_free(session, subnet.id, address)
    for key, value in changes.items():
        setattr(subnet, key, value)
    subnet.revision_number += 1
    subnet.updated_at = now
    session.flush()
    if "enable_dhcp" in changes:
        dhcp.sync(session, network, now, mac_prefix=mac_prefix)
    else:
        network_state.touch_for_network(session, network.id)
    networks.revise(session, network.id, now)


def _check_gateway_free(session: Session, subnet_id: str, gateway: str) -> None:
    holder = session.scalar(
        sa.select(IpAllocation.port_id).where(IpAllocation.subnet_id == subnet_id, IpAllocation.ip_address == gateway)
    )
    if holder is not None:
        raise Conflict(f"Gateway ip {gateway} is already in use by port {holder}.", neutron_type="GatewayIpInUse")


def _groups_with(session: Session, subnet_id: str) -> Sequence[str]:
    """The security groups of ports with an address in a subnet."""
    member = sa.select(PortSecurityGroup.security_group_id).join(
        IpAllocation, IpAllocation.port_id == PortSecurityGroup.port_id
    )
    return session.scalars(member.where(IpAllocation.subnet_id == subnet_id).distinct()).all()


def delete(session: Session, subnet: Subnet, now: datetime, *, mac_prefix: str) -> bool:
    """Delete a subnet. Raises Conflict while a port other than the DHCP port has an address in it."""
    quotas.lock(session, [subnet.project_id])
    network = _lock_network(session, subnet.network_id)
    if session.scalar(sa.select(Subnet.id).where(Subnet.id == subnet.id).with_for_update()) is None:
        return False
    theirs = sa.and_(IpAllocation.subnet_id == subnet.id, Port.device_owner != network_state.DHCP_OWNER)
    if addresses.is_auto(subnet):  # hosts made these addresses themselves, and lose them with the prefix
        theirs = sa.and_(theirs, Port.device_owner.like("network:%"))
    if session.scalar(sa.select(sa.exists().where(IpAllocation.port_id == Port.id, theirs))):
        raise Conflict(
            f"Unable to complete operation on subnet {subnet.id}: One or more ports have an IP allocation from this "
            f"subnet.",
            neutron_type="SubnetInUse",
        )
    network_state.touch_for_groups(session, _groups_with(session, subnet.id))
    session.execute(
        sa.delete(IpAllocation).where(IpAllocation.subnet_id == subnet.id).execution_options(synchronize_session=False)
    )
    session.execute(sa.delete(Subnet).where(Subnet.id == subnet.id).execution_options(synchronize_session=False))
    network_tags.forget(session, [subnet.id])
    quotas.release(session, subnet.project_id, {"subnet": 1})
    dhcp.sync(session, network, now, mac_prefix=mac_prefix)
    networks.revise(session, network.id, now)
    return True
