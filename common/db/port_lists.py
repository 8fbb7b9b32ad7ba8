"""Ports as the network API lists, checks and changes them; the verbs that others share are in ports.py.

A port is seen by its project, by the owner of its network, and by administrators (Neutron's policy).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from common.context import RequestContext
from common.db import (
    addresses,
    floating_links,
    network_rates,
    network_state,
    network_tags,
    ports,
    router_state,
    trunk_bindings,
)
from common.db.addresses import Holder, RequestedAddress
from common.db.filters import Filters
from common.db.models import Instance, IpAllocation, Network, Node, Port, PortSecurityGroup, Router, Subnet
from common.db.paging import Page, fetch
from common.db.trunk_bindings import Concerned
from common.errors import Conflict, InvalidRequest, NotFound

COLUMNS = {
    "id": Port.id,
    "network_id": Port.network_id,
    "project_id": Port.project_id,
    "name": Port.name,
    "description": Port.description,
    "admin_state_up": Port.admin_state_up,
    "status": Port.status,
    "mac_address": Port.mac_address,
    "device_id": Port.device_id,
    "device_owner": Port.device_owner,
    "port_security_enabled": Port.port_security_enabled,
    "binding:vnic_type": Port.vnic_type,
    "dns_name": Port.dns_name,
    "qos_policy_id": Port.qos_policy_id,
    "revision_number": Port.revision_number,
    "created_at": Port.created_at,
    "updated_at": Port.updated_at,
}
UNPLUGGED = {"binding_node_id": None, "status": "DOWN"}


def visible(context: RequestContext) -> sa.ColumnElement[bool]:
    if context.is_admin:
        return sa.true()
    own = sa.select(Network.id).where(Network.project_id == context.project_id)
    return sa.or_(Port.project_id == context.project_id, Port.network_id.in_(own))


def get_visible(session: Session, port_id: str, context: RequestContext, *, lock: bool = False) -> Port:
    """Raises NotFound, in the same words for a stranger's port and for none."""
    query = sa.select(Port).where(Port.id == port_id, visible(context)).execution_options(populate_existing=True)
    port = session.scalar(query.with_for_update(key_share=True) if lock else query)
    if port is None:
        raise ports.not_found(port_id)
    return port


def list_(session: Session, context: RequestContext, filters: Filters, page: Page) -> list[Port]:
    """`filters` may also hold fixed_ips (["subnet_id=…", "ip_address=…"]), security_groups and binding:host_id."""
    query = network_tags.narrow(sa.select(Port).where(visible(context)), COLUMNS, _spelled(filters))
    if "fixed_ips" in filters:
        query = query.where(_with_addresses(filters["fixed_ips"]))
    if "security_groups" in filters:
        members = sa.select(PortSecurityGroup.port_id).where(
            PortSecurityGroup.security_group_id.in_(filters["security_groups"])
        )
        query = query.where(Port.id.in_(members))
    if "binding:host_id" in filters:
        hosts = filters["binding:host_id"]
        plugged = Port.binding_node_id.in_(sa.select(Node.id).where(Node.name.in_(hosts)))
        said = Port.binding_node_id.is_(None) & Port.binding_host.in_(hosts)
        query = query.where(plugged | said)
    return fetch(session, query, page, columns=COLUMNS, default=(("id", False),), key=Port.id)


def _spelled(filters: Filters) -> Filters:
    """MAC addresses as they are stored."""
    if "mac_address" not in filters:
        return filters
    return {**filters, "mac_address": [value.lower().replace("-", ":") for value in filters["mac_address"]]}


def _with_addresses(wishes: Sequence[str]) -> sa.ColumnElement[bool]:
    """`wishes`: subnet_id=…, ip_address=…, ip_address_substr=…; any value of one, and all names. Unknown names: all."""
    wanted: dict[str, list[str]] = {}
    for wish in wishes:
        name, _, value = wish.partition("=")
        wanted.setdefault(name, []).append(value)
    conditions: list[sa.ColumnElement[bool]] = []
    if "subnet_id" in wanted:
        conditions.append(IpAllocation.subnet_id.in_(wanted["subnet_id"]))
    if "ip_address" in wanted:
        conditions.append(IpAllocation.ip_address.in_([_canonical(text) for text in wanted["ip_address"]]))
    if "ip_address_substr" in wanted:
        parts = wanted["ip_address_substr"]
        conditions.append(sa.or_(*(IpAllocation.ip_address.contains(part, autoescape=True) for part in parts)))
    return Port.id.in_(sa.select(IpAllocation.port_id).where(*conditions)) if conditions else sa.true()


def _canonical(text: str) -> str:
    """The spelling that is stored; text that is no address is found nowhere."""
    try:
        return addresses.canonical(text)
    except InvalidRequest:
        return text


def node_names(session: Session, rows: Sequence[Port]) -> dict[str, str]:
    """Names of the nodes that the ports are bound to, by node id; one statement."""
    wanted = {port.binding_node_id for port in rows if port.binding_node_id}
    if not wanted:
        return {}
    return dict(session.execute(sa.select(Node.id, Node.name).where(Node.id.in_(wanted))).all())


def check_device(session: Session, device_id: str, context: RequestContext) -> None:
    """Raises NotFound when the device is another project's server (RBAC-09), Conflict when it is a router.

    A port becomes a router's only by the router's own verbs, which look at what it would join.
    """
    if device_id and session.scalar(sa.select(sa.exists().where(Router.id == device_id))):
        raise Conflict(
            f"The following device_id {device_id} is not owned by your tenant or matches another tenants router.",
            neutron_type="DeviceIDNotOwnedByTenant",
        )
    if context.is_admin or not device_id:
        return
    owner = session.scalar(sa.select(Instance.project_id).where(Instance.id == device_id))
    if owner is not None and owner != context.project_id:
        raise NotFound(f"Device {device_id} could not be found.", neutron_type="DeviceNotFound")


def update(session: Session, port: Port, changes: Mapping[str, Any], now: datetime) -> None:
    """Write changes by column name to a row the caller holds. A port given to another device leaves its node.

    Raises Conflict when the MAC is another port's.
    """
    before, network_id = port.binding_node_id, port.network_id
    values = dict(changes)
    if "device_id" in values and values["device_id"] != port.device_id:
        values |= UNPLUGGED
        network_rates.leave_port(session, port.device_id, port.id)
    if "binding_host" in values and before is not None:
        _check_host(session, port, values.pop("binding_host"))
    if "admin_state_up" in values and (before is not None or port.device_owner == network_state.DHCP_OWNER):
        values.setdefault("status", "ACTIVE" if values["admin_state_up"] else "DOWN")
    mac = values.get("mac_address", port.mac_address)
    for key, value in {**values, "updated_at": now, "revision_number": port.revision_number + 1}.items():
        setattr(port, key, value)
    try:
        session.flush()
    except IntegrityError as err:
        raise ports.mac_in_use(network_id, mac) from err
    elsewhere = {"binding_node_id", "mac_address"} & set(values)  # other nodes know where each MAC address is
    carried = Concerned()
    if {"admin_state_up", "binding_node_id"} & set(values):
        carried = trunk_bindings.settle(session, port.id, now)
    concerned = carried.network_ids | ({network_id} if elsewhere and before else set())
    network_state.touch_for_networks(session, concerned, also={before, *carried.node_ids})
    if "admin_state_up" in values and port.device_owner == network_state.DHCP_OWNER:
        network_state.touch_for_network(session, network_id)
    if "allowed_address_pairs" in values:
        network_state.touch_for_groups(session, ports.groups_for(session, [port.id]).get(port.id, []))


def _check_host(session: Session, port: Port, host: str) -> None:
    """Raises Conflict for any host but the one a plugged port is on: its device would have to move with it."""
    name = session.scalar(sa.select(Node.name).where(Node.id == port.binding_node_id))
    if host != name:
        raise Conflict(
            f"Unable to complete operation on port {port.id}, port is already bound to host {name}, where its device "
            f"{port.device_id} is.",
            neutron_type="PortBound",
        )


def set_addresses(session: Session, port: Port, wanted: Sequence[RequestedAddress], now: datetime) -> None:
    """Make a port's addresses what is wanted; floating IPs of those that go stand for none. Raises as addresses.assign."""
    subnets = list(
        session.scalars(
            sa.select(Subnet)
            .where(Subnet.network_id == port.network_id)
            .order_by(Subnet.created_at, Subnet.id)
            .with_for_update(read=True, key_share=True)
        )
    )
    holder = Holder(
        port.id, port.network_id, port.mac_address, is_router=port.device_owner in router_state.ROUTER_OWNERS
    )
    addresses.replace(session, holder, subnets, wanted)
    left = addresses.for_ports(session, [port.id]).get(port.id, [])
    floating_links.forget_port(session, port.id, now, keep=[each.ip_address for each in left])
    network_state.touch(session, [port.binding_node_id])
    network_state.touch_for_groups(session, ports.groups_for(session, [port.id]).get(port.id, []))
