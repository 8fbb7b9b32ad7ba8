"""The ports that a node is told of: addresses, filter rules, limits, logs, and the members of groups their rules name.

Below network_state.py. Statements are made once, see chosen_ports.py.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.orm import Session

from common import protocols
from common.db import local_ip_state, port_logs, qos_rules
from common.db.chosen_ports import Chosen
from common.db.models import (
    AddressGroup,
    Instance,
    IpAllocation,
    Network,
    NetworkLog,
    Port,
    PortSecurityGroup,
    QosRule,
    SecurityGroup,
    SecurityGroupRule,
    Subport,
    Trunk,
)
from common.rpc.compute_v1 import (
    AddressPair,
    DhcpOption,
    FilterRule,
    FixedAddress,
    GroupMembers,
    LocalIp,
    PortLogs,
    PortSpec,
    QosSpec,
)

_NAMES = {6: "tcp", 17: "udp"}
_GROUPS: sa.BindParameter[Any] = sa.bindparam("groups", expanding=True)


@dataclass(frozen=True)
class PortState:
    """node_id: what the first of them is bound to. groups: those that the ports' rules name as remote."""

    ports: list[PortSpec]
    groups: list[GroupMembers]
    node_id: str | None


def build(session: Session, chosen: Chosen) -> PortState:
    """The ports by instance, in order of its NICs."""
    rows = _port_rows(session, chosen)
    if not rows:
        return PortState([], [], None)
    groups_of = _groups_of(session, chosen)
    rules = _rules(session, {group.id for groups in groups_of.values() for group in groups})
    addresses = _addresses(session, chosen)
    limits = qos_rules.binding(session, [row.port for row in rows])
    member_of = {port_id: [group.id for group in groups] for port_id, groups in groups_of.items()}
    logs = port_logs.hearing(session, [row.port for row in rows], member_of)
    local = local_ip_state.leading_to(session, chosen)
    ports = [
        _port_spec(
            row,
            addresses.get(row.port.id, []),
            groups_of.get(row.port.id, []),
            rules,
            limits.get(row.port.id, []),
            logs.get(row.port.id, []),
            local.get(row.port.id, []),
        )
        for row in rows
    ]
    remotes = {rule.remote_group for port in ports for rule in port.rules if rule.remote_group}
    return PortState(ports, _members(session, remotes), rows[0].port.binding_node_id)


@dataclass(frozen=True)
class _PortRow:
    port: Port
    hostname: str
    domain: str  # the port's own, else its network's
    instance_id: str
    trunk_port: str  # the parent that it is a subport of; "": none
    vlan_id: int


def _port_rows(session: Session, chosen: Chosen) -> list[_PortRow]:
    return [
        _PortRow(
            port,
            (hostname or port.dns_name).partition(".")[0],
            port.dns_domain or domain,
            carrier.device_id if carrier else port.device_id,
            carrier.id if carrier else "",
            vlan_id or 0,
        )
        for port, hostname, domain, carrier, vlan_id in session.execute(_rows_of(chosen.ids), chosen.parameters)
    ]


@cache
def _rows_of(chosen: sa.Select[str]) -> sa.Select[Port, str, str, Port, int]:
    parent = orm.aliased(Port)
    return (
        sa.select(Port, Instance.hostname, Network.dns_domain, parent, Subport.segmentation_id)
        .join(Network, Network.id == Port.network_id)
        .outerjoin(Instance, Instance.id == Port.device_id)
        .outerjoin(Subport, Subport.port_id == Port.id)
        .outerjoin(Trunk, Trunk.id == Subport.trunk_id)
        .outerjoin(parent, parent.id == Trunk.port_id)
        .where(Port.id.in_(chosen))
        .order_by(Port.device_id, Port.nic_order, Port.created_at, Port.id)
        .execution_options(populate_existing=True)
    )


def _addresses(session: Session, chosen: Chosen) -> dict[str, list[FixedAddress]]:
    found: dict[str, list[FixedAddress]] = {}
    for port_id, subnet_id, address in session.connection().execute(_addresses_of(chosen.ids), chosen.parameters):
        found.setdefault(port_id, []).append(FixedAddress(subnet_id=subnet_id, ip_address=address))
    return found


@cache
def _addresses_of(chosen: sa.Select[str]) -> sa.Select[str, str, str]:
    return (
        sa.select(IpAllocation.port_id, IpAllocation.subnet_id, IpAllocation.ip_address)
        .where(IpAllocation.port_id.in_(chosen))
        .order_by(IpAllocation.port_id, IpAllocation.position, IpAllocation.ip_address)
    )


@dataclass(frozen=True)
class _Group:
    id: str
    stateful: bool


def _groups_of(session: Session, chosen: Chosen) -> dict[str, list[_Group]]:
    found: dict[str, list[_Group]] = {}
    for port_id, group_id, stateful in session.connection().execute(_groups_for(chosen.ids), chosen.parameters):
        found.setdefault(port_id, []).append(_Group(group_id, stateful))
    return found


@cache
def _groups_for(chosen: sa.Select[str]) -> sa.Select[str, str, bool]:
    return (
        sa.select(PortSecurityGroup.port_id, SecurityGroup.id, SecurityGroup.stateful)
        .join(SecurityGroup, SecurityGroup.id == PortSecurityGroup.security_group_id)
        .where(PortSecurityGroup.port_id.in_(chosen))
        .order_by(PortSecurityGroup.port_id, SecurityGroup.id)
    )


def _rules(session: Session, group_ids: set[str]) -> dict[str, list[FilterRule]]:
    if not group_ids:
        return {}
    found: dict[str, list[FilterRule]] = {}
    for row in session.connection().execute(_RULES, {"groups": sorted(group_ids)}):
        found.setdefault(row.security_group_id, []).append(_filter_rule(row))
    return found


_RULES = (
    sa.select(
        SecurityGroupRule.security_group_id, SecurityGroupRule.direction, SecurityGroupRule.ethertype,
        SecurityGroupRule.protocol, SecurityGroupRule.port_range_min, SecurityGroupRule.port_range_max,
        SecurityGroupRule.remote_ip_prefix, SecurityGroupRule.remote_group_id, SecurityGroupRule.remote_address_group_id,
    )
    .where(SecurityGroupRule.security_group_id.in_(_GROUPS))
    .order_by(SecurityGroupRule.security_group_id, SecurityGroupRule.id)
)  # fmt: skip


def _filter_rule(row: Any) -> FilterRule:
    number = protocols.number(row.protocol)
    if number in (protocols.ICMP, protocols.ICMPV6):
        protocol: str | None = "icmpv6" if row.ethertype == "IPv6" else "icmp"
    else:
        protocol = _NAMES.get(number, str(number)) if number is not None else None
    return FilterRule(
        direction=row.direction,
        ethertype=row.ethertype,
        protocol=protocol,
        port_min=row.port_range_min,
        port_max=row.port_range_max,
        remote_cidr=str(ipaddress.ip_network(row.remote_ip_prefix, strict=False)) if row.remote_ip_prefix else None,
        remote_group=row.remote_group_id or row.remote_address_group_id,
    )


def _port_spec(
    row: _PortRow,
    addresses: list[FixedAddress],
    groups: Sequence[_Group],
    rules: dict[str, list[FilterRule]],
    limits: Sequence[QosRule],
    logs: Sequence[NetworkLog],
    local: list[LocalIp],
) -> PortSpec:
    port = row.port
    filtered = port.port_security_enabled
    return PortSpec(
        id=port.id,
        network_id=port.network_id,
        mac_address=port.mac_address,
        addresses=addresses,
        instance_id=row.instance_id,
        trunk_port=row.trunk_port,
        vlan_id=row.vlan_id,
        hostname=row.hostname,
        admin_up=port.admin_state_up,
        port_security=filtered,
        rules=[rule for group in groups for rule in _logged(rules.get(group.id, []), group.id, logs)]
        if filtered
        else [],
        address_pairs=[
            AddressPair(ip_address=pair["ip_address"], mac_address=pair.get("mac_address") or port.mac_address)
            for pair in port.allowed_address_pairs
        ],
        stateful=all(group.stateful for group in groups),
        groups=[group.id for group in groups],
        qos=_qos(limits),
        dhcp_options=[
            DhcpOption(name=each["opt_name"], value=each["opt_value"], ip_version=int(each["ip_version"]))
            for each in port.extra_dhcp_opts
        ],
        domain=row.domain,
        tag=port.device_tag,
        logs=PortLogs(project_id=port.project_id, dropped=list(port_logs.dropping(logs))) if logs else None,
        local_ips=local,
    )


def _logged(rules: list[FilterRule], group_id: str, logs: Sequence[NetworkLog]) -> list[FilterRule]:
    heard = port_logs.accepting(logs, group_id)
    return [msgspec.structs.replace(rule, logs=heard) for rule in rules] if heard else rules


def _qos(rules: Sequence[QosRule]) -> QosSpec | None:
    if not rules:
        return None
    bandwidth, packets = qos_rules.bandwidths(rules), qos_rules.packet_rates(rules)
    return QosSpec(
        egress=bandwidth.get("egress"),
        ingress=bandwidth.get("ingress"),
        dscp_mark=next((rule.value for rule in rules if rule.kind == "dscp_marking"), None),
        egress_packets=packets.get("egress"),
        ingress_packets=packets.get("ingress"),
    )


def _members(session: Session, group_ids: set[str]) -> list[GroupMembers]:
    """Of a security group: the addresses and allowed pairs of every member port, wherever it is; of an address group all."""
    if not group_ids:
        return []
    wanted = sorted(group_ids)
    found: dict[str, set[str]] = {group_id: set() for group_id in wanted}
    connection, named = session.connection(), {"groups": wanted}
    for group_id, address in connection.execute(_MEMBER_ADDRESSES, named):
        found[group_id].add(address)
    for group_id, allowed in connection.execute(_MEMBER_PAIRS, named):
        found[group_id].update(pair["ip_address"] for pair in allowed)
    for group_id, addresses in connection.execute(_LISTED_ADDRESSES, named):
        found[group_id].update(addresses)
    return [GroupMembers(id=group_id, addresses=sorted(found[group_id])) for group_id in wanted]


_MEMBER_ADDRESSES = (
    sa.select(PortSecurityGroup.security_group_id, IpAllocation.ip_address)
    .join(IpAllocation, IpAllocation.port_id == PortSecurityGroup.port_id)
    .where(PortSecurityGroup.security_group_id.in_(_GROUPS))
)
_MEMBER_PAIRS = (
    sa.select(PortSecurityGroup.security_group_id, Port.allowed_address_pairs)
    .join(Port, Port.id == PortSecurityGroup.port_id)
    .where(PortSecurityGroup.security_group_id.in_(_GROUPS), sa.cast(Port.allowed_address_pairs, sa.Text) != "[]")
)
_LISTED_ADDRESSES = sa.select(AddressGroup.id, AddressGroup.addresses).where(AddressGroup.id.in_(_GROUPS))
