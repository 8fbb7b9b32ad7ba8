"""The routers that a node should have, built whole from the tables for network_state.for_node."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import msgspec
import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.db import models
from common.db.models import FloatingIp, IpAllocation, Network, Port, PortForwarding, Router, Subnet
from common.rpc.compute_v1 import (
    AdvertisedPrefix,
    DhcpRoute,
    FloatingAddress,
    ForwardedPort,
    MeteringLabel,
    MeteringRule,
    RouterInterface,
    RouterSpec,
)

INTERFACE_OWNER = "network:router_interface"
GATEWAY_OWNER = "network:router_gateway"
FLOATING_OWNER = "network:floatingip"
ROUTER_OWNERS = (INTERFACE_OWNER, GATEWAY_OWNER)


@dataclass(frozen=True)
class _Plugged:
    """One router's port with what its addresses need."""

    interface: RouterInterface
    owner: str
    gateway_ips: tuple[str, ...]


def for_node(session: Session, node_id: str) -> list[RouterSpec]:
    """Routers that are switched on, with those of their ports that are; eight statements whatever their number."""
    routers = session.scalars(
        sa.select(Router)
        .where(Router.node_id == node_id, Router.admin_state_up.is_(True))
        .order_by(Router.id)
        .execution_options(populate_existing=True)
    ).all()
    ids = [router.id for router in routers]
    if not ids:
        return []
    plugged = _plugged(session, ids)
    floating, forwarded = _floating(session, ids), _forwarded(session, ids)
    metering = _metering(session, {router.project_id for router in routers})
    return [
        msgspec.structs.replace(
            _spec(router, plugged.get(router.id, []), floating.get(router.id, []), forwarded.get(router.id, [])),
            metering=[told for owner, told in metering if owner in (None, router.project_id)],
        )
        for router in routers
    ]


def _spec(
    router: Router, plugged: Sequence[_Plugged], floating: list[FloatingAddress], forwarded: list[ForwardedPort]
) -> RouterSpec:
    gateway = next((each for each in plugged if each.owner == GATEWAY_OWNER), None)
    return RouterSpec(
        id=router.id,
        interfaces=[each.interface for each in plugged if each.owner == INTERFACE_OWNER],
        gateway=gateway.interface if gateway else None,
        gateway_ips=list(gateway.gateway_ips) if gateway else [],
        source_nat=router.enable_snat,
        routes=[DhcpRoute(destination=each["destination"], nexthop=each["nexthop"]) for each in router.routes],
        floating=floating if gateway else [],
        forwarded=forwarded if gateway else [],
    )


def _metering(session: Session, project_ids: Collection[str]) -> list[tuple[str | None, MeteringLabel]]:
    """The labels that routers of these projects count by, by id, with the project, or None for every project's."""
    labels = session.scalars(
        sa.select(models.MeteringLabel)
        .where(models.MeteringLabel.shared | models.MeteringLabel.project_id.in_(project_ids))
        .order_by(models.MeteringLabel.id)
    ).all()
    if not labels:
        return []
    rules: dict[str, list[MeteringRule]] = {label.id: [] for label in labels}
    rows = session.scalars(
        sa.select(models.MeteringRule)
        .where(models.MeteringRule.metering_label_id.in_(rules))
        .order_by(models.MeteringRule.excluded.desc(), models.MeteringRule.id)
    )
    for row in rows:
        told = MeteringRule(
            direction=row.direction, excluded=row.excluded, remote=row.remote_ip_prefix, source=row.source_ip_prefix,
            destination=row.destination_ip_prefix,
        )  # fmt: skip
        rules[row.metering_label_id].append(told)
    return [
        (None if label.shared else label.project_id, MeteringLabel(id=label.id, rules=rules[label.id]))
        for label in labels
    ]


def _plugged(session: Session, router_ids: Sequence[str]) -> dict[str, list[_Plugged]]:
    rows = session.execute(
        sa.select(Port, Network.mtu)
        .join(Network, Network.id == Port.network_id)
        .where(
            Port.device_id.in_(router_ids), Port.device_owner.in_(ROUTER_OWNERS), Port.admin_state_up.is_(True),
            Port.binding_node_id.is_not(None),
        )
        .order_by(Port.id)
        .execution_options(populate_existing=True)
    ).all()  # fmt: skip
    addresses = _addresses(session, [port.id for port, _ in rows])
    found: dict[str, list[_Plugged]] = {}
    for port, mtu in rows:
        given = addresses.get(port.id, [])
        interface = RouterInterface(
            port_id=port.id, network_id=port.network_id, mac_address=port.mac_address, mtu=mtu,
            addresses=[f"{each.address}/{ipaddress.ip_network(each.cidr).prefixlen}" for each in given],
            advertised=[
                AdvertisedPrefix(cidr=each.cidr, mode=each.ra_mode)
                for each in given
                if each.ra_mode and port.device_owner == INTERFACE_OWNER
            ],
        )  # fmt: skip
        hops = tuple(dict.fromkeys(each.hop for each in given if each.hop))
        found.setdefault(port.device_id, []).append(_Plugged(interface, port.device_owner, hops))
    return found


@dataclass(frozen=True)
class _Given:
    """An address of a port with what its subnet says. hop: the subnet's gateway."""

    address: str
    cidr: str
    hop: str | None
    ra_mode: str | None


def _addresses(session: Session, port_ids: Sequence[str]) -> dict[str, list[_Given]]:
    rows = session.execute(
        sa.select(
            IpAllocation.port_id, IpAllocation.ip_address, Subnet.cidr, Subnet.gateway_ip, Subnet.ipv6_ra_mode
        )
        .join(Subnet, Subnet.id == IpAllocation.subnet_id)
        .where(IpAllocation.port_id.in_(port_ids))
        .order_by(IpAllocation.port_id, IpAllocation.position, IpAllocation.ip_address)
    )  # fmt: skip
    found: dict[str, list[_Given]] = {}
    for port_id, address, cidr, hop, ra_mode in rows:
        found.setdefault(port_id, []).append(_Given(address, cidr, hop, ra_mode))
    return found


def _floating(session: Session, router_ids: Sequence[str]) -> dict[str, list[FloatingAddress]]:
    rows = session.execute(
        sa.select(FloatingIp.router_id, FloatingIp.address, FloatingIp.fixed_ip_address)
        .where(FloatingIp.router_id.in_(router_ids), FloatingIp.fixed_ip_address.is_not(None))
        .order_by(FloatingIp.address)
    )
    found: dict[str, list[FloatingAddress]] = {}
    for router_id, address, fixed in rows:
        if router_id is None or fixed is None:
            continue
        found.setdefault(router_id, []).append(FloatingAddress(address=address, fixed_address=fixed))
    return found


def _forwarded(session: Session, router_ids: Sequence[str]) -> dict[str, list[ForwardedPort]]:
    rows = session.execute(
        sa.select(FloatingIp.router_id, FloatingIp.address, PortForwarding)
        .join(PortForwarding, PortForwarding.floating_ip_id == FloatingIp.id)
        .where(FloatingIp.router_id.in_(router_ids))
        .order_by(FloatingIp.address, PortForwarding.protocol, PortForwarding.external_port)
    )
    found: dict[str, list[ForwardedPort]] = {}
    for router_id, address, row in rows:
        if router_id is None:
            continue
        forwarded = ForwardedPort(
            address=address, protocol=row.protocol, port=row.external_port,
            fixed_address=row.internal_ip_address, fixed_port=row.internal_port,
        )  # fmt: skip
        found.setdefault(router_id, []).append(forwarded)
    return found
