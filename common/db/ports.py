"""Ports: made, found, bound to a node, released and deleted; shared by the APIs and the scheduler's sagas.

Callers own the transaction and pass the time. Whatever concerns a node raises its `network_wanted` in the same
transaction. Lock order: quota, network and subnets (held against deletion), port, address.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.db import (
    addresses,
    floating_links,
    network_rates,
    network_state,
    network_tags,
    networks,
    quotas,
    router_state,
    security_groups,
    trunk_bindings,
)
from common.db.addresses import Holder, RequestedAddress
from common.db.filters import among
from common.db.models import FloatingIp, IpAllocation, Network, Port, PortSecurityGroup, Subnet, Subport, Trunk
from common.db.trunk_bindings import Concerned
from common.db.upsert import insert_ignore
from common.errors import Conflict, NotFound

__all__ = [
    "InstanceAddress",
    "NewPort",
    "RequestedAddress",
    "add",
    "addresses_for",
    "bind",
    "create",
    "delete",
    "for_instance",
    "get",
    "groups_for",
    "hold",
    "info_for_instances",
    "mark_active",
    "not_found",
    "random_mac",
    "release",
    "set_groups",
    "unbind",
]

MAC_TRIES = 16
COMPUTE_OWNER = "compute:nova"
HELD_OWNER = "cumulet:held"  # a server is gone, and its node has not yet said that nothing of it is left


@dataclass(frozen=True)
class NewPort:
    """A port as asked for. The caller has checked that network and groups may be used.

    mac_address None: any free one. fixed_ips None: one address per IP version; empty: none. security_groups None: the
    project's default group, made on demand. port_security_enabled None: as the network says.
    """

    id: str
    network_id: str
    project_id: str
    name: str = ""
    description: str = ""
    admin_state_up: bool = True
    device_id: str = ""
    device_owner: str = ""
    mac_address: str | None = None
    fixed_ips: tuple[RequestedAddress, ...] | None = None
    security_groups: tuple[str, ...] | None = None
    port_security_enabled: bool | None = None
    allowed_address_pairs: tuple[dict[str, str], ...] = ()
    extra_dhcp_opts: tuple[dict[str, Any], ...] = ()
    dns_name: str = ""
    dns_domain: str = ""
    qos_policy_id: str | None = None
    delete_with_instance: bool = False
    nic_order: int = 0
    device_tag: str = ""
    vnic_type: str = "normal"
    binding_host: str = ""
    binding_profile: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class InstanceAddress:
    """One line of a server's `addresses`, with the floating one. ip_address is None for a port without any."""

    port_id: str
    network_id: str
    network_name: str
    mac_address: str
    ip_address: str | None
    subnet_id: str | None
    nic_order: int
    status: str
    tag: str = ""
    floating_ip: str | None = None

    @property
    def version(self) -> int:
        return 6 if self.ip_address is not None and ":" in self.ip_address else 4


def not_found(port_id: str) -> NotFound:
    return NotFound(f"Port {port_id} could not be found.", neutron_type="PortNotFound")


def create(session: Session, new: NewPort, now: datetime, *, mac_prefix: str, quota: Mapping[str, int]) -> Port:
    """As `add`, and the port that was made."""
    add(session, new, now, mac_prefix=mac_prefix, quota=quota)
    return get(session, new.id)


def add(session: Session, new: NewPort, now: datetime, *, mac_prefix: str, quota: Mapping[str, int] | None) -> None:
    """Make a port with MAC, addresses and groups.

    quota: limits by resource (common.db.network_quota.defaults); None: the caller has counted the port.

    Raises QuotaExceeded, NotFound (network or group is gone), NoAddressLeft, Conflict (MAC or address in use),
    InvalidRequest (an address that doesn't belong here).
    """
    if new.device_owner == network_state.DHCP_OWNER or not new.project_id:
        quotas.count(session, new.project_id, {"port": 1})
    elif quota is not None:
        quotas.take(session, new.project_id, {"port": 1}, quota)
    held = _hold_network(session, new.network_id, new.project_id)
    filtered = held.filters if new.port_security_enabled is None else new.port_security_enabled
    groups = _groups_for_new(session, new, filtered, held.default_group, now)
    subnets = held.subnets
    mac = _insert(session, new, filtered, mac_prefix, now)
    if new.fixed_ips is None:
        subnets = _serving(subnets, new.device_owner)
    addresses.assign(
        session,
        Holder(new.id, new.network_id, mac, is_router=new.device_owner in router_state.ROUTER_OWNERS),
        subnets,
        new.fixed_ips,
    )
    insert_ignore(session, PortSecurityGroup, [{"port_id": new.id, "security_group_id": group} for group in groups])
    network_state.touch_for_groups(session, groups)


def _groups_for_new(
    session: Session, new: NewPort, filtered: bool, default: str | None, now: datetime
) -> tuple[str, ...]:
    if not filtered:
        if new.security_groups or new.allowed_address_pairs:
            raise no_security_on_port(new.security_groups)
        return ()
    if new.security_groups is not None:
        security_groups.hold(session, new.security_groups)
        return new.security_groups
    if new.device_owner.startswith("network:"):
        return ()
    return (default or security_groups.ensure_default(session, new.project_id, now),)


def no_security_on_port(groups: Sequence[str] | None) -> Conflict:
    """What is wrong with groups or address pairs on a port whose traffic isn't filtered."""
    if groups:
        return Conflict(
            "Port security must be enabled and port must have an IP address in order to use security groups.",
            neutron_type="PortSecurityAndIPRequiredForSecurityGroups",
            http_status=400,
        )
    return Conflict(
        "Port Security must be enabled in order to have allowed address pairs on a port.",
        neutron_type="AddressPairAndPortSecurityRequired",
    )


def _insert(session: Session, new: NewPort, filtered: bool, mac_prefix: str, now: datetime) -> str:
    """Insert the row under a MAC that no port of the network has; returns the MAC."""
    row = {
        "id": new.id,
        "network_id": new.network_id,
        "project_id": new.project_id,
        "name": new.name,
        "description": new.description,
        "admin_state_up": new.admin_state_up,
        "status": "DOWN",
        "device_id": new.device_id,
        "device_owner": new.device_owner,
        "nic_order": new.nic_order,
        "device_tag": new.device_tag,
        "delete_with_instance": new.delete_with_instance,
        "binding_epoch": 0,
        "binding_host": new.binding_host,
        "binding_profile": new.binding_profile,
        "vnic_type": new.vnic_type,
        "port_security_enabled": filtered,
        "extra_dhcp_opts": list(new.extra_dhcp_opts),
        "allowed_address_pairs": list(new.allowed_address_pairs),
        "dns_name": new.dns_name,
        "dns_domain": new.dns_domain,
        "qos_policy_id": new.qos_policy_id,
        "revision_number": 1,
        "created_at": now,
        "updated_at": now,
    }
    for _ in range(1 if new.mac_address else MAC_TRIES):
        mac = new.mac_address or random_mac(mac_prefix)
        if insert_ignore(session, Port, [{**row, "mac_address": mac}]):
            return mac
    if new.mac_address:
        raise mac_in_use(new.network_id, new.mac_address)
    raise Conflict(
        f"Unable to generate unique mac on network {new.network_id}.", neutron_type="MacAddressGenerationFailure"
    )


def mac_in_use(network_id: str, mac: str) -> Conflict:
    return Conflict(
        f"Unable to complete operation for network {network_id}. The mac address {mac} is in use.",
        neutron_type="MacAddressInUse",
    )


def random_mac(prefix: str) -> str:
    return ":".join([prefix.lower(), *(f"{random.randrange(256):02x}" for _ in range(3))])


@dataclass(frozen=True)
class _Held:
    """filters: the network does, unless a port says otherwise. default_group: of the port's project, if it has one yet."""

    filters: bool
    subnets: list[Subnet]
    default_group: str | None


def _hold_network(session: Session, network_id: str, project_id: str) -> _Held:
    """Network and subnets are kept from being deleted until the transaction ends. Raises NotFound."""
    rows = session.execute(_HOLD, {"network": network_id, "project": project_id}).all()
    if not rows:  # a lock can't be had on the optional side of a join
        return _Held(networks.hold(session, network_id).port_security_enabled, [], None)
    return _Held(rows[0][0], [subnet for _, subnet, _ in rows], rows[0][2])


_HOLD = (
    sa.select(Network.port_security_enabled, Subnet, security_groups.default_id())
    .join(Subnet, Subnet.network_id == Network.id)
    .where(Network.id == sa.bindparam("network"))
    .order_by(Subnet.created_at, Subnet.id)
    .with_for_update(read=True, key_share=True, of=(Network, Subnet))
    .execution_options(populate_existing=True)
)


def _serving(subnets: list[Subnet], device_owner: str) -> list[Subnet]:
    """Those that give addresses to ports of this owner: the ones meant for it, else those meant for nobody special."""
    meant = [subnet for subnet in subnets if device_owner in subnet.service_types]
    return meant or [subnet for subnet in subnets if not subnet.service_types]


def get(session: Session, port_id: str) -> Port:
    """Raises NotFound."""
    port = session.scalar(sa.select(Port).where(Port.id == port_id).execution_options(populate_existing=True))
    if port is None:
        raise not_found(port_id)
    return port


def for_instance(session: Session, instance_id: str) -> list[Port]:
    """The ports plugged into an instance, in the order of its NICs."""
    return list(
        session.scalars(
            sa.select(Port)
            .where(_plugged(instance_id))
            .order_by(Port.nic_order, Port.created_at, Port.id)
            .execution_options(populate_existing=True)
        )
    )


def _plugged(instance_id: str) -> sa.ColumnElement[bool]:
    return sa.and_(Port.device_id == instance_id, Port.device_owner.like("compute:%"))


def addresses_for(session: Session, port_ids: Sequence[str]) -> dict[str, list[IpAllocation]]:
    """Addresses by port; one statement."""
    return addresses.for_ports(session, port_ids)


def groups_for(session: Session, port_ids: Sequence[str]) -> dict[str, list[str]]:
    """Ids of the security groups by port; one statement."""
    rows = session.execute(
        sa.select(PortSecurityGroup.port_id, PortSecurityGroup.security_group_id)
        .where(PortSecurityGroup.port_id.in_(port_ids))
        .order_by(PortSecurityGroup.security_group_id)
    )
    found: dict[str, list[str]] = {}
    for port_id, group_id in rows:
        found.setdefault(port_id, []).append(group_id)
    return found


def info_for_instances(session: Session, instance_ids: Sequence[str]) -> dict[str, list[InstanceAddress]]:
    """What the compute API shows as `addresses`, by instance, in the order of the NICs; one statement."""
    found: dict[str, list[InstanceAddress]] = {instance_id: [] for instance_id in instance_ids}
    if not instance_ids:
        return found
    rows = session.connection().execute(
        sa.select(
            Port.device_id,
            Port.id,
            Port.network_id,
            Network.name,
            Port.mac_address,
            IpAllocation.ip_address,
            IpAllocation.subnet_id,
            Port.nic_order,
            Port.status,
            Port.device_tag,
            FloatingIp.address,
        )
        .join(Network, Network.id == Port.network_id)
        .outerjoin(IpAllocation, IpAllocation.port_id == Port.id)
        .outerjoin(
            FloatingIp,
            sa.and_(FloatingIp.port_id == Port.id, FloatingIp.fixed_ip_address == IpAllocation.ip_address),
        )
        .where(among(session, Port.device_id, instance_ids), Port.device_owner.like("compute:%"))
        .order_by(Port.nic_order, Port.created_at, Port.id, IpAllocation.position, IpAllocation.ip_address)
    )
    for device_id, *facts in rows.all():  # at once: one by one costs the driver four times as much
        found[device_id].append(InstanceAddress(*facts))
    return found


@dataclass(frozen=True)
class Bound:
    """ports: how many. joined: networks that the node has with them and had not before, or that another node left.

    Two nodes that join a network in transactions side by side don't see each other's ports, so that neither is told of
    the other: whoever bound calls network_state.touch_for_networks(joined) again in a later transaction.
    """

    ports: int
    joined: tuple[str, ...] = ()


def bind(
    session: Session, instance_id: str, node_id: str, epoch: int, now: datetime, *, port_id: str | None = None
) -> Bound:
    """Plug the instance's ports (or one of them) into a node for this epoch; a lower epoch than before changes nothing."""
    its = {"instance": instance_id, "epoch": epoch, "port": port_id or ""}
    rows = session.connection().execute(_TO_BIND, its).all()
    if not rows:
        return Bound(0)
    network_ids = {network_id for _, network_id, *_ in rows}
    previous = {bound for *_, bound, _ in rows if bound}
    fresh = _networks_without_others(session, network_ids, {node_id, *previous}, instance_id)
    # Tunnels of other nodes know where it was.
    moved = {network_id for _, network_id, bound, _ in rows if bound not in (None, node_id)}
    done = session.connection().execute(_BIND, {**its, "node": node_id, "now": now})
    carried = _carry_along(session, [port_id for port_id, *_, trunk_id in rows if trunk_id], now)
    network_state.touch_for_networks(
        session, fresh | moved | carried.network_ids, also={node_id, *previous, *carried.node_ids}
    )
    return Bound(done.rowcount, tuple(sorted(fresh | carried.network_ids)))


#: id, network, node and trunk (None: it has none)
_WITH_TRUNK = sa.select(Port.id, Port.network_id, Port.binding_node_id, Trunk.id).outerjoin(
    Trunk, Trunk.port_id == Port.id
)
#: the instance's ports, or that one of them which is named
_ITS = sa.and_(
    Port.device_id == sa.bindparam("instance"),
    Port.device_owner.like("compute:%"),
    sa.or_(sa.bindparam("port", type_=sa.String) == "", Port.id == sa.bindparam("port")),
)
_NOT_LATER = sa.and_(_ITS, Port.binding_epoch <= sa.bindparam("epoch"))
_TO_BIND = _WITH_TRUNK.where(_NOT_LATER)
_CHANGED = {"updated_at": sa.bindparam("now"), "revision_number": Port.revision_number + 1}
_BIND = (
    sa.update(Port)
    .where(_NOT_LATER)
    .values(
        binding_node_id=sa.bindparam("node"), binding_epoch=sa.bindparam("epoch"), binding_host="", status="DOWN", **_CHANGED
    )
)  # fmt: skip


def _carry_along(session: Session, parents: Collection[str], now: datetime) -> Concerned:
    return trunk_bindings.follow(session, parents, now) if parents else Concerned()


def _networks_without_others(session: Session, network_ids: set[str], node_ids: set[str], instance_id: str) -> set[str]:
    """Networks that one of these nodes joins or leaves with this instance: tunnel peers change elsewhere too."""
    asked = {"networks": sorted(network_ids), "nodes": sorted(node_ids), "instance": instance_id}
    there = {tuple(row) for row in session.connection().execute(_OTHERS_THERE, asked)}
    return {network_id for network_id in network_ids for node_id in node_ids if (network_id, node_id) not in there}


_OTHERS_THERE = (
    sa.select(Port.network_id, Port.binding_node_id)
    .distinct()
    .where(
        Port.network_id.in_(sa.bindparam("networks", expanding=True)),
        Port.binding_node_id.in_(sa.bindparam("nodes", expanding=True)),
        Port.device_id != sa.bindparam("instance"),
    )
)


def mark_active(session: Session, instance_id: str, epoch: int, now: datetime, *, port_id: str | None = None) -> int:
    """The node has plugged the ports (or one of them) of this epoch in. How many became ACTIVE."""
    session.flush()
    its = {"instance": instance_id, "epoch": epoch, "port": port_id or "", "now": now}
    done = session.connection().scalars(_MARK_ACTIVE, its).all()
    _carry_along(session, done, now)  # where its subports are has been told
    return len(done)


_MARK_ACTIVE = (
    sa.update(Port)
    .where(
        _ITS,
        Port.binding_epoch == sa.bindparam("epoch"),
        Port.binding_node_id.is_not(None),
        Port.admin_state_up.is_(True),
        Port.status != "ACTIVE",
    )
    .values(status="ACTIVE", **_CHANGED)
    .returning(Port.id)
)


def unbind(session: Session, instance_id: str, now: datetime) -> int:
    """Take the instance's ports from their node; they stay the instance's. How many were bound."""
    return _unplug(session, sa.and_(_plugged(instance_id), Port.binding_node_id.is_not(None)), now, {})


def release(session: Session, instance_id: str, now: datetime, *, port_id: str | None = None) -> int:
    """The instance is gone, or one port leaves it: delete the ports made for it, free those that were brought.

    How many; 0 when repeated.
    """
    mine = sa.and_(Port.device_id == instance_id, *([] if port_id is None else [Port.id == port_id]))
    in_trunk = Port.id.in_(sa.select(Trunk.port_id)) | Port.id.in_(sa.select(Subport.port_id))  # they outlive it
    made = sorted(session.scalars(sa.select(Port.id).where(mine, Port.delete_with_instance.is_(True), ~in_trunk)))
    if port_id is not None:  # of a server that is gone, its claims on nodes go by themselves
        network_rates.leave_port(session, instance_id, port_id)
    freed = _unplug(
        session,
        sa.and_(mine, Port.id.not_in(made)),
        now,
        {"device_id": "", "device_owner": "", "dns_name": "", "nic_order": 0, "device_tag": ""},
    )
    return freed + sum(delete(session, port_id, now) for port_id in made)


def hold(session: Session, instance_id: str, holder_id: str, now: datetime) -> int:
    """Unplug the instance's ports but keep them, with their addresses, for whoever clears up after it. How many.

    `release` with the holder's id does with them what it does for an instance.
    """
    taken = {"device_id": holder_id, "device_owner": HELD_OWNER, "dns_name": ""}
    return _unplug(session, _plugged(instance_id), now, taken)


def _unplug(session: Session, condition: sa.ColumnElement[bool], now: datetime, more: Mapping[str, Any]) -> int:
    rows = session.execute(_WITH_TRUNK.where(condition)).all()
    if not rows:
        return 0
    nodes = {node_id for *_, node_id, _ in rows if node_id}
    done = session.execute(
        sa.update(Port)
        .where(condition)
        .values(binding_node_id=None, status="DOWN", updated_at=now, revision_number=Port.revision_number + 1, **more)
        .execution_options(synchronize_session=False)
    )
    carried = _carry_along(session, [port_id for port_id, *_, trunk_id in rows if trunk_id], now)
    left = {network_id for _, network_id, bound, _ in rows if bound}
    network_state.touch_for_networks(session, left | carried.network_ids, also=nodes | carried.node_ids)
    return int(done.rowcount)  # type: ignore[attr-defined]


def delete(session: Session, port_id: str, now: datetime) -> bool:
    """Delete a port, its addresses and memberships, and give its quota back; False when it was gone already.

    Floating IPs that stood for its addresses stay, for none.
    """
    quotas.lock(session, session.scalars(sa.select(Port.project_id).where(Port.id == port_id)).all())
    groups = groups_for(session, [port_id]).get(port_id, [])
    session.execute(
        sa.delete(PortSecurityGroup)
        .where(PortSecurityGroup.port_id == port_id)
        .execution_options(synchronize_session=False)
    )
    addresses.release(session, port_id)
    floating_links.forget_port(session, port_id, now)
    gone = session.execute(
        sa.delete(Port)
        .where(Port.id == port_id)
        .returning(Port.project_id, Port.network_id, Port.binding_node_id, Port.device_id)
        .execution_options(synchronize_session=False)
    ).first()
    if gone is None:
        return False
    project_id, network_id, node_id, device_id = gone
    if device_id:
        network_rates.leave_port(session, device_id, port_id)
    network_tags.forget(session, [port_id])
    quotas.release(session, project_id, {"port": 1})
    network_state.touch_for_groups(session, groups)
    if node_id is not None:
        network_state.touch_for_networks(session, [network_id], also=[node_id])
    return True


def set_groups(session: Session, port: Port, group_ids: Sequence[str], now: datetime) -> None:
    """Make a port a member of exactly these groups, which the caller has found usable. Raises NotFound, Conflict."""
    if group_ids and not port.port_security_enabled:
        raise no_security_on_port(group_ids)
    before = set(groups_for(session, [port.id]).get(port.id, []))
    after = set(group_ids)
    if before == after:
        return
    security_groups.hold(session, list(after - before))
    session.execute(
        sa.delete(PortSecurityGroup)
        .where(PortSecurityGroup.port_id == port.id, PortSecurityGroup.security_group_id.in_(before - after))
        .execution_options(synchronize_session=False)
    )
    insert_ignore(
        session,
        PortSecurityGroup,
        [{"port_id": port.id, "security_group_id": group_id} for group_id in sorted(after - before)],
    )
    session.execute(
        sa.update(Port)
        .where(Port.id == port.id)
        .values(revision_number=Port.revision_number + 1, updated_at=now)
        .execution_options(synchronize_session=False)
    )
    network_state.touch(session, [port.binding_node_id])
    network_state.touch_for_groups(session, before ^ after)
