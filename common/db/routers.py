"""Routers: rows, interfaces and the gateway. Decisions about a router are made while its row is held.

A router is seen by its project and by administrators. Its gateway's port belongs to no project, as Neutron's does.
Lock order: quota, router, network and subnets, port, address.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.context import RequestContext
from common.db import (
    ndp_proxies,
    network_state,
    network_tags,
    port_lists,
    ports,
    quotas,
    router_flavors,
    router_places,
)
from common.db.addresses import RequestedAddress
from common.db.filters import Filters
from common.db.models import FloatingIp, IpAllocation, Network, Port, Router, Subnet
from common.db.paging import Page, fetch
from common.db.ports import NewPort
from common.db.router_flavors import Flags
from common.db.router_state import FLOATING_OWNER, GATEWAY_OWNER, INTERFACE_OWNER, ROUTER_OWNERS
from common.db.trunk_bindings import SUBPORT_OWNER
from common.errors import Conflict, InvalidRequest, NotFound
from common.ids import new_id

IPV6 = 6
COLUMNS = {
    "id": Router.id,
    "project_id": Router.project_id,
    "name": Router.name,
    "description": Router.description,
    "admin_state_up": Router.admin_state_up,
    "status": Router.status,
    "flavor_id": Router.flavor_id,
    "enable_ndp_proxy": Router.enable_ndp_proxy,
    "ha": Router.ha,
    "distributed": Router.distributed,
    "revision_number": Router.revision_number,
    "created_at": Router.created_at,
    "updated_at": Router.updated_at,
}


@dataclass(frozen=True)
class NewRouter:
    project_id: str
    name: str = ""
    description: str = ""
    admin_state_up: bool = True
    flavor_id: str | None = None
    enable_ndp_proxy: bool = False
    flags: Flags = router_flavors.PLAIN


@dataclass(frozen=True)
class Gateway:
    """What a router's gateway shall be; None leaves as it is, or lets Cumulet choose."""

    network_id: str
    enable_snat: bool | None = None
    addresses: tuple[RequestedAddress, ...] | None = None
    qos_policy_id: str | None = None


@dataclass(frozen=True)
class PortAsk:
    """What making a port takes beside the wish for it."""

    mac_prefix: str
    limits: Mapping[str, int]


@dataclass(frozen=True)
class Attached:
    """One address of a router's port."""

    port: Port
    subnet: Subnet
    ip_address: str


def not_found(router_id: str) -> NotFound:
    return NotFound(f"Router {router_id} could not be found", neutron_type="RouterNotFound")


def bad_request(reason: str) -> InvalidRequest:
    return InvalidRequest(f"Bad router request: {reason}.", neutron_type="BadRequest")


def visible(context: RequestContext) -> sa.ColumnElement[bool]:
    return sa.true() if context.is_admin else Router.project_id == context.project_id


def get_visible(session: Session, router_id: str, context: RequestContext, *, lock: bool = False) -> Router:
    """Raises NotFound, in the same words for a stranger's router and for none."""
    query = sa.select(Router).where(Router.id == router_id, visible(context)).execution_options(populate_existing=True)
    router = session.scalar(query.with_for_update() if lock else query)
    if router is None:
        raise not_found(router_id)
    return router


def list_(session: Session, context: RequestContext, filters: Filters, page: Page) -> list[Router]:
    query = network_tags.narrow(sa.select(Router).where(visible(context)), COLUMNS, filters)
    return fetch(session, query, page, columns=COLUMNS, default=(("id", False),), key=Router.id)


def gateway_addresses(session: Session, rows: Sequence[Router]) -> dict[str, list[IpAllocation]]:
    """The addresses of the routers' gateways, by router; one statement."""
    by_port = {router.gateway_port_id: router.id for router in rows if router.gateway_port_id}
    given = ports.addresses_for(session, list(by_port)) if by_port else {}
    return {by_port[port_id]: found for port_id, found in given.items()}


def attached(session: Session, router_id: str, owners: Collection[str] = ROUTER_OWNERS) -> list[Attached]:
    """Every address of the router's ports with its subnet; one statement."""
    rows = session.execute(
        sa.select(Port, Subnet, IpAllocation.ip_address)
        .join(IpAllocation, IpAllocation.port_id == Port.id)
        .join(Subnet, Subnet.id == IpAllocation.subnet_id)
        .where(Port.device_id == router_id, Port.device_owner.in_(owners))
        .order_by(Port.created_at, Port.id, IpAllocation.position)
    )
    return [Attached(port, subnet, address) for port, subnet, address in rows]


def create(session: Session, new: NewRouter, now: datetime, limits: Mapping[str, int]) -> Router:
    """A router without ports. Raises QuotaExceeded."""
    quotas.take(session, new.project_id, {"router": 1}, limits)
    router = Router(
        id=new_id(),
        project_id=new.project_id,
        name=new.name,
        description=new.description,
        admin_state_up=new.admin_state_up,
        status="ACTIVE",
        enable_snat=True,
        flavor_id=new.flavor_id,
        enable_ndp_proxy=new.enable_ndp_proxy,
        ha=new.flags.ha,
        distributed=new.flags.distributed,
        routes=[],
        revision_number=1,
        created_at=now,
        updated_at=now,
    )
    session.add(router)
    session.flush()
    return router


def update(session: Session, router: Router, changes: Mapping[str, Any], now: datetime) -> None:
    """Write changes by column name to a row the caller holds."""
    for key, value in changes.items():
        setattr(router, key, value)
    _revise(session, router, now)
    if "admin_state_up" in changes:
        router_places.settle(session, router, now)
    network_state.touch(session, [router.node_id])


def _revise(session: Session, router: Router, now: datetime) -> None:
    router.revision_number += 1
    router.updated_at = now
    session.flush()


def delete(session: Session, router: Router, now: datetime) -> None:
    """Delete a router with its gateway. Raises Conflict while it has interfaces or floating IPs."""
    if session.scalar(sa.select(sa.exists().where(Port.device_id == router.id, Port.device_owner == INTERFACE_OWNER))):
        raise Conflict(f"Router {router.id} still has ports", neutron_type="RouterInUse")
    quotas.lock(session, [router.project_id, ""])
    clear_gateway(session, router, now)
    network_tags.forget(session, [router.id])
    session.delete(router)
    session.flush()
    quotas.release(session, router.project_id, {"router": 1})


# -- the gateway ------------------------------------------------------------------------------------------------------


def set_gateway(session: Session, router: Router, wanted: Gateway, now: datetime, *, mac_prefix: str) -> None:
    """Give a router that the caller holds this gateway. The caller has found the network visible to whoever asks.

    Raises InvalidRequest (it is not external, or overlaps), Conflict (floating IPs need the present one; no address).
    """
    if wanted.enable_snat is not None:
        router.enable_snat = wanted.enable_snat
    router.gateway_qos_policy_id = wanted.qos_policy_id
    if router.gateway_network_id == wanted.network_id and wanted.addresses is None:
        update(session, router, {}, now)
        return
    network = session.get_one(Network, wanted.network_id)
    if not network.external:
        raise bad_request(f"Network {network.id} is not an external network")
    if router.gateway_network_id == wanted.network_id:
        _change_addresses(session, router, wanted, now)
    else:
        clear_gateway(session, router, now)
        _plug_gateway(session, router, wanted, now, mac_prefix)
    _check_apart(session, router)
    router_places.settle(session, router, now)
    _revise(session, router, now)


def _plug_gateway(session: Session, router: Router, wanted: Gateway, now: datetime, mac_prefix: str) -> None:
    new = NewPort(
        id=new_id(),
        network_id=wanted.network_id,
        project_id="",
        device_id=router.id,
        device_owner=GATEWAY_OWNER,
        fixed_ips=wanted.addresses or None,
        security_groups=(),
        port_security_enabled=False,
    )
    port = ports.create(session, new, now, mac_prefix=mac_prefix, quota={})
    router.gateway_port_id, router.gateway_network_id = port.id, wanted.network_id
    session.flush()


def _change_addresses(session: Session, router: Router, wanted: Gateway, now: datetime) -> None:
    port = ports.get(session, str(router.gateway_port_id))
    if wanted.addresses is not None:
        port_lists.set_addresses(session, port, wanted.addresses, now)


def clear_gateway(session: Session, router: Router, now: datetime) -> None:
    """Take the gateway from a router that the caller holds. Raises Conflict while floating IPs need it."""
    if router.gateway_port_id is None:
        return
    if session.scalar(sa.select(sa.exists().where(FloatingIp.router_id == router.id))):
        raise Conflict(
            f"Gateway cannot be updated for router {router.id}, since a gateway to external network "
            f"{router.gateway_network_id} is required by one or more floating IPs.",
            neutron_type="RouterExternalGatewayInUseByFloatingIp",
        )
    ndp_proxies.check_gateway_unused(session, router)
    port_id, router.gateway_port_id, router.gateway_network_id = router.gateway_port_id, None, None
    router.gateway_qos_policy_id, router.enable_ndp_proxy = None, False
    _revise(session, router, now)
    ports.delete(session, port_id, now)


# -- interfaces -------------------------------------------------------------------------------------------------------


def add_by_subnet(session: Session, router: Router, subnet: Subnet, now: datetime, *, ask: PortAsk) -> Port:
    """A new port with the subnet's gateway address; a further IPv6 prefix of a network is added to the port that is there.

    Raises InvalidRequest (overlap, no gateway), Conflict, QuotaExceeded.
    """
    if subnet.gateway_ip is None:
        raise bad_request("Subnet for router interface must have a gateway IP")
    new = NewPort(
        id=new_id(),
        network_id=subnet.network_id,
        project_id=router.project_id,
        device_id=router.id,
        device_owner=INTERFACE_OWNER,
        fixed_ips=(RequestedAddress(subnet.id, subnet.gateway_ip),),
        security_groups=(),
        port_security_enabled=False,
    )
    network = session.get_one(Network, subnet.network_id)
    if network.nat and not network.external:
        raise Conflict(
            f"IP address {subnet.gateway_ip} already allocated in subnet {subnet.id}: the cloud's own gateway has it.",
            neutron_type="IpAddressAlreadyAllocated",
        )
    if _has_interface_in(session, router.id, subnet.id):
        raise bad_request(f"Router already has a port on subnet {subnet.id}")
    carrier = _ipv6_port(session, router.id, subnet.network_id) if subnet.ip_version == IPV6 else None
    if carrier is not None:
        _readdress(session, router, carrier, now, gone=None, more=[RequestedAddress(subnet.id, subnet.gateway_ip)])
        return carrier
    port = ports.create(session, new, now, mac_prefix=ask.mac_prefix, quota=ask.limits)
    _attached(session, router, now)
    return port


def _ipv6_port(session: Session, router_id: str, network_id: str) -> Port | None:
    """The router's interface that has IPv6 prefixes of the network: hosts there hear one router advertise them all."""
    mine = attached(session, router_id, (INTERFACE_OWNER,))
    return next((e.port for e in mine if e.port.network_id == network_id and e.subnet.ip_version == IPV6), None)


def _readdress(
    session: Session, router: Router, port: Port, now: datetime, *,
    gone: str | None, more: Sequence[RequestedAddress] = (),
) -> None:  # fmt: skip
    """Take the addresses in the subnet `gone` from an interface, and give it more."""
    given = ports.addresses_for(session, [port.id]).get(port.id, [])
    kept = [RequestedAddress(each.subnet_id, each.ip_address) for each in given if each.subnet_id != gone]
    port_lists.set_addresses(session, port, [*kept, *more], now)
    _attached(session, router, now)
    network_state.touch(session, [router.node_id])


def _has_interface_in(session: Session, router_id: str, subnet_id: str) -> bool:
    return any(each.subnet.id == subnet_id for each in attached(session, router_id, (INTERFACE_OWNER,)))


def add_port(session: Session, router: Router, port: Port, now: datetime) -> None:
    """Make a port that its owner made beforehand an interface. Raises Conflict (it has a device), InvalidRequest."""
    if port.device_id or port.device_owner.startswith(("network:", SUBPORT_OWNER)):
        raise Conflict(
            f"Unable to complete operation on port {port.id} for network {port.network_id}. Port already has an "
            f"attached device {port.device_id}.",
            neutron_type="PortInUse",
        )
    given = ports.addresses_for(session, [port.id]).get(port.id, [])
    if not given:
        raise bad_request("Router port must have at least one fixed IP")
    here = {each.subnet.id for each in attached(session, router.id, (INTERFACE_OWNER,))}
    for allocation in given:
        if allocation.subnet_id in here:
            raise bad_request(f"Router already has a port on subnet {allocation.subnet_id}")
    if sum(":" not in each.ip_address for each in given) > 1:
        raise bad_request("Cannot have multiple IPv4 subnets on router port")
    ports.set_groups(session, port, (), now)
    port.device_id, port.device_owner, port.port_security_enabled = router.id, INTERFACE_OWNER, False
    port.revision_number += 1
    port.updated_at = now
    session.flush()
    _attached(session, router, now)


def _attached(session: Session, router: Router, now: datetime) -> None:
    _check_apart(session, router)
    router_places.settle(session, router, now)
    _revise(session, router, now)


def _check_apart(session: Session, router: Router) -> None:
    """Raises InvalidRequest when two networks of a router overlap: there would be no telling which is meant."""
    networks = [(ipaddress.ip_network(each.subnet.cidr), each) for each in attached(session, router.id)]
    for number, (cidr, one) in enumerate(networks):
        for other_cidr, other in networks[:number]:
            if cidr.version == other_cidr.version and one.port.id != other.port.id and cidr.overlaps(other_cidr):
                raise bad_request(
                    f"Cidr {cidr} of subnet {one.subnet.id} overlaps with cidr {other_cidr} of subnet {other.subnet.id}"
                )


def remove_interface(
    session: Session, router: Router, port: Port, now: datetime, *, subnet_id: str | None = None
) -> None:
    """Delete an interface's port; subnet_id: of a port with several IPv6 prefixes only the one in it.

    Raises Conflict while floating IPs or routes need it.
    """
    mine = [each for each in attached(session, router.id) if each.port.id == port.id]
    going = [each for each in mine if each.subnet.id == subnet_id]
    several = going and len(mine) > len(going) and all(each.subnet.ip_version == IPV6 for each in mine)
    for each in going if several else mine:
        _check_not_needed(session, router, each)
    if several:
        _readdress(session, router, port, now, gone=subnet_id)
        return
    ports.delete(session, port.id, now)
    _revise(session, router, now)
    network_state.touch(session, [router.node_id])


def _check_not_needed(session: Session, router: Router, interface: Attached) -> None:
    where = (
        f"Router interface for subnet {interface.subnet.id} on router {router.id} cannot be deleted, as it is required"
    )
    needing = (
        sa.select(sa.literal(1))
        .select_from(FloatingIp)
        .join(IpAllocation, IpAllocation.port_id == FloatingIp.port_id)
        .where(
            FloatingIp.router_id == router.id,
            IpAllocation.subnet_id == interface.subnet.id,
            IpAllocation.ip_address == FloatingIp.fixed_ip_address,
        )
    )
    if session.scalar(needing.limit(1)):
        raise Conflict(f"{where} by one or more floating IPs.", neutron_type="RouterInterfaceInUseByFloatingIP")
    ndp_proxies.check_subnet_unused(session, router, interface.subnet.id)
    cidr = ipaddress.ip_network(interface.subnet.cidr)
    if any(ipaddress.ip_address(route["nexthop"]) in cidr for route in router.routes):
        raise Conflict(f"{where} by one or more routes.", neutron_type="RouterInterfaceInUseByRoute")


def interface_port(session: Session, router_id: str, port_id: str) -> Port:
    """Raises NotFound when the router has no such interface."""
    port = session.scalar(
        sa.select(Port).where(Port.id == port_id, Port.device_id == router_id, Port.device_owner == INTERFACE_OWNER)
    )
    if port is None:
        raise NotFound(
            f"Router {router_id} does not have an interface with id {port_id}", neutron_type="RouterInterfaceNotFound"
        )
    return port


def interface_in(session: Session, router_id: str, subnet_id: str) -> Port:
    """Raises NotFound when the router has no interface in the subnet."""
    found = [each.port for each in attached(session, router_id, (INTERFACE_OWNER,)) if each.subnet.id == subnet_id]
    if not found:
        raise NotFound(
            f"Router {router_id} has no interface on subnet {subnet_id}",
            neutron_type="RouterInterfaceNotFoundForSubnet",
        )
    return found[0]


def has_gateway_ports(session: Session, network_id: str) -> bool:
    """Whether routers or floating IPs make use of an external network."""
    owners = Port.device_owner.in_((GATEWAY_OWNER, FLOATING_OWNER))
    return bool(session.scalar(sa.select(sa.exists().where(Port.network_id == network_id, owners))))
