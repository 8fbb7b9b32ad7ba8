"""Local IPs: an address of a network that leads, on each node, to a port chosen for it there, and the ports so chosen.

The address is given to a port, the tenant's or one made for it, so that nobody else gets it. Callers own the
transaction. What leads nowhere any more (its port lost the address) stays, as the tenant said it, and is told to no node.
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
from common.db import network_state, network_tags, ports
from common.db.addresses import RequestedAddress
from common.db.filters import Filters, apply
from common.db.models import LocalIp, LocalIpAssociation, Node, Port, Subnet
from common.db.paging import Page, fetch
from common.db.ports import NewPort
from common.errors import Conflict, InvalidRequest, NotFound
from common.ids import new_id

OWNER = "network:local_ip"
TRANSLATE, PASSTHROUGH = "translate", "passthrough"

COLUMNS = {
    "id": LocalIp.id,
    "project_id": LocalIp.project_id,
    "name": LocalIp.name,
    "description": LocalIp.description,
    "local_port_id": LocalIp.local_port_id,
    "network_id": LocalIp.network_id,
    "local_ip_address": LocalIp.local_ip_address,
    "ip_mode": LocalIp.ip_mode,
    "revision_number": LocalIp.revision_number,
    "created_at": LocalIp.created_at,
    "updated_at": LocalIp.updated_at,
}


@dataclass(frozen=True)
class NewLocalIp:
    """address: in canonical spelling; None: the port's only one, or any free one of the network."""

    project_id: str
    name: str = ""
    description: str = ""
    address: str | None = None
    ip_mode: str = TRANSLATE


@dataclass(frozen=True)
class Association:
    """host: the node that the port is on; "": none."""

    local: LocalIp
    fixed_port_id: str
    fixed_ip: str
    host: str


def visible(context: RequestContext) -> sa.ColumnElement[bool]:
    return sa.true() if context.is_admin else LocalIp.project_id == context.project_id


def get_visible(session: Session, local_ip_id: str, context: RequestContext, *, lock: bool = False) -> LocalIp:
    """Raises NotFound, in the same words for a stranger's and for none."""
    query = sa.select(LocalIp).where(LocalIp.id == local_ip_id, visible(context))
    found = session.scalar((query.with_for_update() if lock else query).execution_options(populate_existing=True))
    if found is None:
        raise NotFound(f"Local IP {local_ip_id} could not be found.", neutron_type="LocalIPNotFound")
    return found


def list_(session: Session, context: RequestContext, filters: Filters, page: Page) -> list[LocalIp]:
    query = apply(sa.select(LocalIp).where(visible(context)), COLUMNS, filters)
    return fetch(session, query, page, columns=COLUMNS, default=(("id", False),), key=LocalIp.id)


def create_at_port(session: Session, port: Port, new: NewLocalIp, now: datetime) -> LocalIp:
    """With an address of a port, which the caller has found its own. Raises InvalidRequest."""
    return _add(session, new_id(), port.id, port.network_id, _one_of(session, port, new.address), new, now)


def create_in_network(
    session: Session, network_id: str, new: NewLocalIp, now: datetime, *, mac_prefix: str, quota: Mapping[str, int]
) -> LocalIp:
    """With a port of its own. Raises InvalidRequest, QuotaExceeded, Conflict (the address is taken)."""
    subnets = sa.exists().where(Subnet.network_id == network_id, Subnet.ip_version == 4)
    if not session.scalar(sa.select(subnets)):
        raise InvalidRequest(
            f"Bad local_ip request: Network {network_id} does not contain any IPv4 subnet.", neutron_type="BadRequest"
        )
    made_id = new_id()
    holder = NewPort(
        id=new_id(), network_id=network_id, project_id=new.project_id, device_id=made_id, device_owner=OWNER,
        fixed_ips=(RequestedAddress(None, new.address),) if new.address else None,
        security_groups=(), port_security_enabled=False,
    )  # fmt: skip
    port = ports.create(session, holder, now, mac_prefix=mac_prefix, quota=quota)
    port.status = "N/A"
    given = ports.addresses_for(session, [port.id]).get(port.id, [])
    address = next((each.ip_address for each in given if ":" not in each.ip_address), None)
    if address is None:
        raise _not_ipv4(port.id)
    return _add(session, made_id, port.id, network_id, address, new, now)


def _add(
    session: Session, made_id: str, port_id: str, network_id: str, address: str, new: NewLocalIp, now: datetime
) -> LocalIp:
    made = LocalIp(
        id=made_id, project_id=new.project_id, name=new.name, description=new.description, local_port_id=port_id,
        network_id=network_id, local_ip_address=address, ip_mode=new.ip_mode, revision_number=0, created_at=now,
        updated_at=now,
    )  # fmt: skip
    session.add(made)
    session.flush()
    return made


def _one_of(session: Session, port: Port, asked: str | None) -> str:
    """The port's address that is meant. Raises InvalidRequest in Neutron's words."""
    given = [each.ip_address for each in ports.addresses_for(session, [port.id]).get(port.id, [])]
    if not given:
        raise InvalidRequest(
            f"Invalid input for operation: Specified Port {port.id} has no fixed IPs configured.",
            neutron_type="LocalIPNoIP",
        )
    if asked is not None and asked not in given:
        raise InvalidRequest(
            f"Invalid input for operation: Specified Port {port.id} does not have requested IP address: {asked}.",
            neutron_type="LocalIPRequestedIPNotFound",
        )
    if asked is None and len(given) > 1:
        raise InvalidRequest(
            f"Invalid input for operation: Specified Port {port.id} has several IPs, should specify exact IP address "
            f"to use for Local IP.",
            neutron_type="LocalIPNoRequestedIP",
        )
    found = asked or given[0]
    if ":" in found:
        raise _not_ipv4(port.id)
    return found


def _not_ipv4(port_id: str) -> InvalidRequest:
    return InvalidRequest(
        f"Invalid input for operation: Local IPs are of IPv4; port {port_id} has no such address that was meant.",
        neutron_type="InvalidInput",
    )


def update(session: Session, row: LocalIp, changes: Mapping[str, Any], now: datetime) -> None:
    for key, value in changes.items():
        setattr(row, key, value)
    row.revision_number += 1
    row.updated_at = now
    session.flush()


def delete(session: Session, row: LocalIp, now: datetime) -> None:
    """Give the address back. The caller holds the row. Raises Conflict while it leads to a port."""
    if session.scalar(sa.select(sa.exists().where(LocalIpAssociation.local_ip_id == row.id))):
        raise Conflict(f"Local IP {row.id} is still associated with one or more ports.", neutron_type="LocalIPInUse")
    port_id, owner = row.local_port_id, session.scalar(sa.select(Port.device_owner).where(Port.id == row.local_port_id))
    network_tags.forget(session, [row.id])
    session.delete(row)
    session.flush()
    if owner == OWNER:
        ports.delete(session, port_id, now)


def check_port_unused(session: Session, port_id: str) -> None:
    """Raises Conflict while a port's address is a local IP."""
    if session.scalar(sa.select(sa.exists().where(LocalIp.local_port_id == port_id))):
        raise Conflict(
            f"Port {port_id} cannot be deleted directly via the port API: still referenced by Local IPs.",
            neutron_type="ServicePortInUse",
        )


def associations(session: Session, row: LocalIp) -> list[Association]:
    rows = session.execute(
        sa.select(LocalIpAssociation.fixed_port_id, LocalIpAssociation.fixed_ip, Node.name)
        .join(Port, Port.id == LocalIpAssociation.fixed_port_id)
        .outerjoin(Node, Node.id == Port.binding_node_id)
        .where(LocalIpAssociation.local_ip_id == row.id)
        .order_by(LocalIpAssociation.fixed_port_id)
    )
    return [Association(row, port_id, fixed, host or "") for port_id, fixed, host in rows]


def association(session: Session, row: LocalIp, port_id: str) -> Association:
    """Raises NotFound."""
    found = next((each for each in associations(session, row) if each.fixed_port_id == port_id), None)
    if found is None:
        raise NotFound(
            f"Local IP {row.id} association with port {port_id} could not be found.",
            neutron_type="LocalIPAssociationNotFound",
        )
    return found


def associate(session: Session, row: LocalIp, port: Port, fixed: str | None) -> Association:
    """The caller holds the local IP, and has found the port its own. Raises InvalidRequest, Conflict."""
    if port.network_id != row.network_id:
        raise InvalidRequest(
            f"Bad local_ip_port_association request: Port {port.id} is not in network {row.network_id} of local IP "
            f"{row.id}.",
            neutron_type="BadRequest",
        )
    address = _one_of(session, port, fixed)
    there = Conflict(
        f"Local IP {row.id} is associated with port {port.id} already.", neutron_type="LocalIPAssociationExists"
    )
    session.add(LocalIpAssociation(local_ip_id=row.id, fixed_port_id=port.id, fixed_ip=address))
    try:
        session.flush()
    except IntegrityError as err:
        raise there from err
    network_state.touch(session, [port.binding_node_id])
    return association(session, row, port.id)


def dissociate(session: Session, row: LocalIp, port_id: str) -> None:
    """Raises NotFound."""
    association(session, row, port_id)
    session.delete(session.get_one(LocalIpAssociation, (row.id, port_id)))
    session.flush()
    network_state.touch(session, [session.scalar(sa.select(Port.binding_node_id).where(Port.id == port_id))])
