"""Networks: who may see and use one, creation with a free VNI, lists, and deletion with what the cloud put into it.

A network is seen by its project, by all when it is shared or external, and by administrators; it is used (ports put
into it) by its project and, when shared, by all.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.context import RequestContext
from common.db import network_state, quotas
from common.db.filters import Filters, apply
from common.db.models import IpAllocation, Network, Port, Subnet
from common.db.paging import Page, fetch
from common.db.upsert import insert_ignore
from common.errors import Conflict, NotFound
from common.ids import new_id

VNI_LOWEST, VNI_HIGHEST = 1, 2**24 - 1
VNI_TRIES = 16

COLUMNS = {
    "id": Network.id,
    "project_id": Network.project_id,
    "name": Network.name,
    "description": Network.description,
    "admin_state_up": Network.admin_state_up,
    "status": Network.status,
    "shared": Network.shared,
    "router:external": Network.external,
    "is_default": Network.is_default,
    "mtu": Network.mtu,
    "port_security_enabled": Network.port_security_enabled,
    "provider:network_type": Network.network_type,
    "provider:physical_network": Network.physical_network,
    "provider:segmentation_id": Network.segmentation_id,
    "cumulet:nat": Network.nat,
    "dns_domain": Network.dns_domain,
    "revision_number": Network.revision_number,
    "created_at": Network.created_at,
    "updated_at": Network.updated_at,
}


@dataclass(frozen=True)
class NewNetwork:
    """segmentation_id None: any free VNI. mtu in bytes."""

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
    segmentation_id: int | None = None
    dns_domain: str = ""


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
    return sa.or_(Network.project_id == context.project_id, Network.shared.is_(True), Network.external.is_(True))


def usable(context: RequestContext) -> sa.ColumnElement[bool]:
    """The condition under which the caller may put ports into a network."""
    if context.is_admin:
        return sa.true()
    return sa.or_(Network.project_id == context.project_id, Network.shared.is_(True))


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
    query = sa.select(Network).where(visible(context))
    return fetch(
        session, apply(query, COLUMNS, filters), page, columns=COLUMNS, default=(("id", False),), key=Network.id
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
    """Raises QuotaExceeded, Conflict when the VNI asked for is taken."""
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
        "revision_number": 1,
        "created_at": now,
        "updated_at": now,
    }
    tries = (
        [new.segmentation_id]
        if new.segmentation_id is not None
        else [random.randint(VNI_LOWEST, VNI_HIGHEST) for _ in range(VNI_TRIES)]
    )
    for vni in tries:
        if insert_ignore(session, Network, [{**row, "segmentation_id": vni}]):
            return session.scalars(sa.select(Network).where(Network.id == network_id)).one()
    if new.segmentation_id is not None:
        raise Conflict(
            f"Unable to create the network. The tunnel ID {new.segmentation_id} is in use.",
            neutron_type="TunnelIdInUse",
        )
    raise Conflict(
        "Unable to create the network. No tenant network is available for allocation.",
        neutron_type="NoNetworkAvailable",
    )


def update(session: Session, network: Network, changes: Mapping[str, Any], now: datetime) -> None:
    """Write changes by column name to a row the caller holds."""
    for key, value in changes.items():
        setattr(network, key, value)
    network.revision_number += 1
    network.updated_at = now
    session.flush()
    if {"mtu", "nat", "admin_state_up"} & set(changes):
        network_state.touch_for_network(session, network.id)


def foreign_ports(session: Session, network: Network) -> bool:
    """True when other projects have ports here: the network can't stop being shared then."""
    return bool(
        session.scalar(
            sa.select(
                sa.exists().where(
                    Port.network_id == network.id,
                    Port.project_id != network.project_id,
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
        owners = session.execute(
            sa.delete(model)
            .where(model.network_id == network_id)
            .returning(model.project_id)
            .execution_options(synchronize_session=False)
        ).scalars()
        _give_back(session, resource, list(owners))
    session.execute(sa.delete(Network).where(Network.id == network_id).execution_options(synchronize_session=False))
    quotas.release(session, network.project_id, {"network": 1})
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
