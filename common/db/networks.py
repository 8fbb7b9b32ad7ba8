"""Networks: who may see and use one, creation with a free VNI, lists, and deletion with what the cloud put into it.

A network is seen by its project, by those that a policy lets share or route through it, and by administrators; it is
used (ports put into it) by its project and by those that share it (sharing.py).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.context import RequestContext
from common.db import network_state, network_tags, quotas, segment_ranges, sharing
from common.db.filters import Filters
from common.db.models import IpAllocation, Network, Port, RbacPolicy, Subnet
from common.db.paging import Page, fetch
from common.db.sharing import Action, granted
from common.db.upsert import insert_ignore
from common.errors import Conflict, NotFound
from common.ids import new_id

VNI_LOWEST, VNI_HIGHEST = segment_ranges.BOUNDS[segment_ranges.VXLAN]
LOWEST_MTU = {4: 68, 6: 1280}

COLUMNS = {
    "id": Network.id,
    "project_id": Network.project_id,
    "name": Network.name,
    "description": Network.description,
    "admin_state_up": Network.admin_state_up,
    "status": Network.status,
    "router:external": Network.external,
    "is_default": Network.is_default,
    "mtu": Network.mtu,
    "port_security_enabled": Network.port_security_enabled,
    "provider:network_type": Network.network_type,
    "provider:physical_network": Network.physical_network,
    "provider:segmentation_id": Network.segmentation_id,
    "cumulet:nat": Network.nat,
    "dns_domain": Network.dns_domain,
    "vlan_transparent": Network.vlan_transparent,
    "qos_policy_id": Network.qos_policy_id,
    "revision_number": Network.revision_number,
    "created_at": Network.created_at,
    "updated_at": Network.updated_at,
}


@dataclass(frozen=True)
class NewNetwork:
    """segmentation_id None: any free VNI. vlan_id None on a VLAN: any free one, 0: untagged. mtu in bytes."""

    project_id: str
    mtu: int
    name: str = ""
    description: str = ""
    admin_state_up: bool = True
    shared: bool = False
    external: bool = False
    is_default: bool = False
    nat: bool = False
    port_security_enabled: bool = True
    network_type: str = "vxlan"
    physical_network: str | None = None
    vlan_id: int | None = None
    segmentation_id: int | None = None
    dns_domain: str = ""
    vlan_transparent: bool = False
    qos_policy_id: str | None = None


def not_found(network_id: str) -> NotFound:
    return NotFound(f"Network {network_id} could not be found.", neutron_type="NetworkNotFound")


def in_use(network_id: str) -> Conflict:
    return Conflict(
        f"Unable to complete operation on network {network_id}. There are one or more ports still in use on the "
        f"network.",
        neutron_type="NetworkInUse",
    )


def visible(context: RequestContext) -> sa.ColumnElement[bool]:
    """The condition under which the caller may see a network."""
    if context.is_admin:
        return sa.true()
    theirs = granted(Network.id, context.project_id, Action.SHARED, Action.EXTERNAL)
    return sa.or_(Network.project_id == context.project_id, theirs)


def usable(context: RequestContext) -> sa.ColumnElement[bool]:
    """The condition under which the caller may put ports into a network."""
    if context.is_admin:
        return sa.true()
    return sa.or_(Network.project_id == context.project_id, granted(Network.id, context.project_id, Action.SHARED))


def get_visible(session: Session, network_id: str, context: RequestContext, *, lock: bool = False) -> Network:
    """Raises NotFound, in the same words for a stranger's network and for none."""
    query = (
        sa.select(Network).where(Network.id == network_id, visible(context)).execution_options(populate_existing=True)
    )
    network = session.scalar(query.with_for_update(key_share=True) if lock else query)
    if network is None:
        raise not_found(network_id)
    return network


def get_usable(session: Session, network_id: str, context: RequestContext) -> Network:
    """A network that the caller may put ports into. Raises NotFound for any other."""
    network = session.scalar(sa.select(Network).where(Network.id == network_id, usable(context)))
    if network is None:
        raise not_found(network_id)
    return network


def hold(session: Session, network_id: str) -> Network:
    """Keep a network from being deleted until the transaction ends. Raises NotFound."""
    network = session.scalar(_HOLD, {"network": network_id})
    if network is None:
        raise not_found(network_id)
    return network


_HOLD = (
    sa.select(Network)
    .where(Network.id == sa.bindparam("network"))
    .with_for_update(read=True, key_share=True)
    .execution_options(populate_existing=True)
)


def list_(session: Session, context: RequestContext, filters: Filters, page: Page) -> list[Network]:
    query = network_tags.narrow(sa.select(Network).where(visible(context)), COLUMNS, filters)
    query = sharing.narrow_shared(query, Network.id, context, filters)
    columns = {**COLUMNS, "shared": Network.shared}
    return fetch(session, query, page, columns=columns, default=(("id", False),), key=Network.id)


def by_ids(session: Session, network_ids: Collection[str]) -> dict[str, Network]:
    """One statement."""
    rows = session.scalars(sa.select(Network).where(Network.id.in_(network_ids)))
    return {row.id: row for row in rows}


def check_mtu(mtu: int, subnet: str, ip_version: int) -> None:
    """Raises Conflict when packets of this size are smaller than every link of the version must carry."""
    least = LOWEST_MTU[ip_version]
    if mtu < least:
        raise Conflict(
            f"MTU of {mtu} is not valid with subnet {subnet}, required MTU is at least {least}.",
            neutron_type="NetworkMTUSubnetConflict",
        )


def subnet_ids(session: Session, network_ids: Sequence[str], context: RequestContext) -> dict[str, list[str]]:
    """Ids of the subnets that the caller may see, by network; one statement."""
    found: dict[str, list[str]] = {network_id: [] for network_id in network_ids}
    query = (
        sa.select(Subnet.network_id, Subnet.id)
        .join(Network, Network.id == Subnet.network_id)
        .where(Subnet.network_id.in_(network_ids))
        .order_by(Subnet.created_at, Subnet.id)
    )
    if not context.is_admin:
        query = query.where(sa.or_(Subnet.project_id == context.project_id, usable(context)))
    for network_id, subnet_id in session.execute(query):
        found[network_id].append(subnet_id)
    return found


def create(session: Session, new: NewNetwork, now: datetime, limits: Mapping[str, int]) -> Network:
    """Raises QuotaExceeded, Conflict when the VNI or VLAN asked for is taken, or none is left."""
    quotas.take(session, new.project_id, {"network": 1}, limits)
    network_id = new_id()
    row = {
        "id": network_id,
        "project_id": new.project_id,
        "name": new.name,
        "description": new.description,
        "admin_state_up": new.admin_state_up,
        "status": "ACTIVE",
        "shared": new.shared,
        "external": new.external,
        "is_default": new.is_default,
        "nat": new.nat,
        "port_security_enabled": new.port_security_enabled,
        "mtu": new.mtu,
        "network_type": new.network_type,
        "physical_network": new.physical_network,
        "dns_domain": new.dns_domain,
        "vlan_transparent": new.vlan_transparent,
        "qos_policy_id": new.qos_policy_id,
        "revision_number": 1,
        "created_at": now,
        "updated_at": now,
    }
    for vni, vlan_id in _segments(session, new):
        if insert_ignore(session, Network, [{**row, "segmentation_id": vni, "vlan_id": vlan_id}]):
            network = session.scalars(sa.select(Network).where(Network.id == network_id)).one()
            _share(session, network, {"shared": new.shared, "external": new.external})
            return network
    if new.vlan_id is not None:
        raise _physical_in_use(new)
    if new.segmentation_id is not None:
        raise Conflict(
            f"Unable to create the network. The tunnel ID {new.segmentation_id} is in use.",
            neutron_type="TunnelIdInUse",
        )
    raise Conflict(
        "Unable to create the network. No tenant network is available for allocation.",
        neutron_type="NoNetworkAvailable",
    )


def _segments(session: Session, new: NewNetwork) -> list[tuple[int, int | None]]:
    """VNIs and VLAN ids to try. A network on a VLAN has a VNI, too, which gateways may need."""
    vnis = [new.segmentation_id] if new.segmentation_id is not None else _drawn(session, new, segment_ranges.VXLAN)
    if new.network_type != segment_ranges.VLAN or new.vlan_id is not None:
        return [(vni, new.vlan_id) for vni in vnis]
    return list(zip(vnis, _drawn(session, new, segment_ranges.VLAN), strict=False))


def _drawn(session: Session, new: NewNetwork, network_type: str) -> list[int]:
    physical = new.physical_network if network_type == segment_ranges.VLAN else None
    owner = new.project_id if network_type == new.network_type else ""  # a VNI beside a VLAN is none of a project's own
    return segment_ranges.candidates(session, segment_ranges.Wanted(network_type, physical, owner))


def _physical_in_use(new: NewNetwork) -> Conflict:
    if new.vlan_id:
        return Conflict(
            f"Unable to create the network. The VLAN {new.vlan_id} on physical network {new.physical_network} is in "
            f"use.",
            neutron_type="VlanIdInUse",
        )
    return Conflict(
        f"Unable to create the flat network. Physical network {new.physical_network} is in use.",
        neutron_type="FlatNetworkInUse",
    )


def _share(session: Session, network: Network, flags: Mapping[str, Any]) -> None:
    """The policies that the flags among `flags` stand for."""
    for name, action in (("shared", Action.SHARED), ("external", Action.EXTERNAL)):
        if name in flags and (flags[name] or network.revision_number > 1):
            sharing.set_for_all(session, "network", network, action, on=flags[name])


def update(session: Session, network: Network, changes: Mapping[str, Any], now: datetime) -> None:
    """Write changes by column name to a row the caller holds."""
    if "mtu" in changes:
        theirs = sa.select(Subnet.cidr, Subnet.ip_version).where(Subnet.network_id == network.id)
        for cidr, version in session.execute(theirs):
            check_mtu(changes["mtu"], cidr, version)
    for key, value in changes.items():
        setattr(network, key, value)
    network.revision_number += 1
    network.updated_at = now
    session.flush()
    _share(session, network, changes)
    if {"mtu", "nat", "admin_state_up", "qos_policy_id", "dns_domain"} & set(changes):
        network_state.touch_for_network(session, network.id)


def foreign_ports(session: Session, network: Network) -> bool:
    """True when projects have ports here that only its being shared with all lets them have."""
    named = sa.select(RbacPolicy.target_project).where(
        RbacPolicy.object_id == network.id,
        RbacPolicy.action == Action.SHARED,
        RbacPolicy.target_project != sharing.EVERYBODY,
    )
    return bool(
        session.scalar(
            sa.select(
                sa.exists().where(
                    Port.network_id == network.id,
                    Port.project_id.not_in([network.project_id, ""]),
                    Port.project_id.not_in(named),
                    Port.device_owner != network_state.DHCP_OWNER,
                )
            )
        )
    )


def delete(session: Session, network_id: str) -> bool:
    """Delete a network with its subnets and DHCP port. Raises Conflict while any other port is in it."""
    quotas.lock(session, _owners(session, network_id))
    network = session.scalar(
        sa.select(Network).where(Network.id == network_id).with_for_update().execution_options(populate_existing=True)
    )
    if network is None:
        return False
    theirs = Port.device_owner != network_state.DHCP_OWNER
    if session.scalar(sa.select(sa.exists().where(Port.network_id == network_id, theirs))):
        raise in_use(network_id)
    session.execute(
        sa.delete(IpAllocation)
        .where(IpAllocation.network_id == network_id)
        .execution_options(synchronize_session=False)
    )
    for resource, model in (("port", Port), ("subnet", Subnet)):
        gone = session.execute(
            sa.delete(model)
            .where(model.network_id == network_id)
            .returning(model.id, model.project_id)
            .execution_options(synchronize_session=False)
        ).all()
        network_tags.forget(session, [row_id for row_id, _ in gone])
        _give_back(session, resource, [project_id for _, project_id in gone])
    session.execute(sa.delete(Network).where(Network.id == network_id).execution_options(synchronize_session=False))
    quotas.release(session, network.project_id, {"network": 1})
    sharing.forget(session, network_id)
    return True


def _owners(session: Session, network_id: str) -> list[str]:
    """The projects whose quota counts the network or what is in it."""
    parts = [
        sa.select(Network.project_id).where(Network.id == network_id),
        sa.select(Subnet.project_id).where(Subnet.network_id == network_id),
        sa.select(Port.project_id).where(Port.network_id == network_id, Port.device_owner == network_state.DHCP_OWNER),
    ]
    return list(session.scalars(sa.union(*parts)))


def _give_back(session: Session, resource: str, project_ids: Sequence[str]) -> None:
    for project_id in sorted(set(project_ids)):
        quotas.release(session, project_id, {resource: project_ids.count(project_id)})


def revise(session: Session, network_id: str, now: datetime) -> None:
    """A subnet of the network came, went or changed."""
    session.execute(
        sa.update(Network)
        .where(Network.id == network_id)
        .values(revision_number=Network.revision_number + 1, updated_at=now)
        .execution_options(synchronize_session=False)
    )
