"""What a node's networking should be: built whole from the tables, and the counter that says it has changed.

Whoever changes a port, rule, group or network calls one of the `touch` functions in the same transaction; it raises
`network_wanted` of the nodes concerned. `for_node` reads that number before anything else, so what it returns is never
older than the version it carries.

The way out of a network with NAT is on one node, the gateway; it has such a network as long as any node has a port in
it. Each node's `peers` are the tunnel endpoints of all others that have the network. A router's ports are bound to the
node that has the router (router_places.py), so that its networks are there like any guest's. A node that an
administrator has made answer a network's DHCP has that network, too.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import msgspec
import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.orm import Session

from common import protocols
from common.db import local_ip_state, port_logs, qos_rules, router_state
from common.db.models import (
    AddressGroup,
    DefaultGroupRule,
    DhcpNode,
    Instance,
    IpAllocation,
    Network,
    NetworkLog,
    Node,
    Port,
    PortSecurityGroup,
    QosRule,
    SecurityGroup,
    SecurityGroupRule,
    Subnet,
    Subport,
    Trunk,
)
from common.errors import NotFound
from common.rpc.compute_v1 import (
    AddressPair,
    DhcpOption,
    FilterRule,
    FixedAddress,
    GroupMembers,
    LocalIp,
    Neighbour,
    NetworkSpec,
    NetworkState,
    PortLogs,
    PortSpec,
    QosSpec,
    SubnetSpec,
)
from common.rpc.routers_v1 import DhcpRoute

DHCP_OWNER = "network:dhcp"
_NAMES = {6: "tcp", 17: "udp"}
Chosen = sa.Select[str]  # the ids of the ports that are asked about, as a subquery


def touch(session: Session, node_ids: Iterable[str | None]) -> None:
    """These nodes must fetch their state again."""
    wanted = sorted({node_id for node_id in node_ids if node_id})
    if wanted:
        _raise_wanted(session, Node.id.in_(wanted))


def touch_all(session: Session) -> None:
    """A gateway came, went or changed."""
    _raise_wanted(session, sa.true())


def touch_neighbours(session: Session, node_id: str) -> None:
    """A node's tunnel endpoint changed: nodes that share a network with it are concerned."""
    gateway = session.scalar(sa.select(Node.is_gateway).where(Node.id == node_id))
    if gateway:
        touch_all(session)
        return
    bound = session.scalars(sa.select(Port.network_id).distinct().where(Port.binding_node_id == node_id))
    touch_for_networks(session, bound.all())


def touch_for_networks(session: Session, network_ids: Iterable[str], *, also: Iterable[str | None] = ()) -> None:
    """Something of these networks changed: all nodes with a port in them, and gateways, are concerned.

    also: more nodes, such as one that had a port until now; named here so that all rows are locked in one order.
    """
    wanted, more = sorted(set(network_ids)), sorted({node_id for node_id in also if node_id})
    if not wanted:
        touch(session, more)
        return
    bound = sa.select(Port.binding_node_id).where(Port.network_id.in_(wanted), Port.binding_node_id.is_not(None))
    serving = sa.select(DhcpNode.node_id).where(DhcpNode.network_id.in_(wanted))
    with_nat = sa.exists().where(Network.id.in_(wanted), Network.nat)
    there = Node.id.in_(bound) | Node.id.in_(serving) | (Node.is_gateway & with_nat)
    _raise_wanted(session, there | Node.id.in_(more))


def touch_for_name_of(session: Session, instance_id: str) -> None:
    """The instance is up: the resolvers of its networks on other nodes must know its name."""
    own = sa.select(Port.network_id, Port.binding_node_id).where(Port.device_id == instance_id).subquery()
    others = (
        sa.select(Port.binding_node_id)
        .join(own, own.c.network_id == Port.network_id)
        .where(Port.binding_node_id != own.c.binding_node_id)
    )
    _raise_wanted(session, Node.id.in_(others))


def touch_for_network(session: Session, network_id: str) -> None:
    touch_for_networks(session, [network_id])


def touch_for_groups(session: Session, group_ids: Iterable[str]) -> None:
    """The members of these groups changed: nodes with a port whose rules name one of them as remote are concerned."""
    wanted = sorted(set(group_ids))
    if wanted:
        session.flush()
        session.connection().execute(_WANTED_FOR_GROUPS, {"groups": wanted})


def touch_for_rules(session: Session, group_ids: Iterable[str]) -> None:
    """The rules of these groups changed: nodes with a member port are concerned."""
    wanted = sorted(set(group_ids))
    if wanted:
        _raise_wanted(
            session,
            Node.id.in_(
                sa.select(Port.binding_node_id)
                .join(PortSecurityGroup, PortSecurityGroup.port_id == Port.id)
                .where(PortSecurityGroup.security_group_id.in_(wanted), Port.binding_node_id.is_not(None))
            ),
        )


def touch_for_address_group(session: Session, address_group_id: str) -> None:
    """The addresses of a group changed: nodes with a port whose rules name it are concerned."""
    named = sa.select(SecurityGroupRule.security_group_id).where(
        SecurityGroupRule.remote_address_group_id == address_group_id
    )
    touch_for_rules(session, session.scalars(named).all())


def rules_naming_address_group(session: Session, address_group_id: str) -> bool:
    rules = sa.exists().where(SecurityGroupRule.remote_address_group_id == address_group_id)
    templates = sa.exists().where(DefaultGroupRule.remote_address_group_id == address_group_id)
    return bool(session.scalar(sa.select(rules | templates)))


def _raise_wanted(session: Session, condition: sa.ColumnElement[bool]) -> None:
    session.flush()  # what the session has pending must be written before
    session.connection().execute(_wanted(condition))


def _wanted(condition: sa.ColumnElement[bool]) -> sa.Update:
    ordered = sa.select(Node.id).where(condition).order_by(Node.id).with_for_update(key_share=True)  # against deadlocks
    return sa.update(Node).where(Node.id.in_(ordered)).values(network_wanted=Node.network_wanted + 1)


_WANTED_FOR_GROUPS = _wanted(
    Node.id.in_(
        sa.select(Port.binding_node_id)
        .join(PortSecurityGroup, PortSecurityGroup.port_id == Port.id)
        .join(SecurityGroupRule, SecurityGroupRule.security_group_id == PortSecurityGroup.security_group_id)
        .where(
            SecurityGroupRule.remote_group_id.in_(sa.bindparam("groups", expanding=True)),
            Port.binding_node_id.is_not(None),
        )
    )
)


def version_of(session: Session, node_id: str | None) -> int:
    """The version of a node's network state; read it before what it is the version of. 0 for no node."""
    return session.scalar(sa.select(Node.network_wanted).where(Node.id == node_id)) or 0


def for_node(session: Session, node_id: str) -> NetworkState:
    """The desired state of a node's networks, ports and groups, whole. Raises NotFound for an unknown node."""
    version = session.scalar(sa.select(Node.network_wanted).where(Node.id == node_id))
    if version is None:
        raise NotFound(f"Node {node_id} could not be found.")
    chosen = sa.select(Port.id).where(Port.binding_node_id == node_id, Port.device_owner.not_like("network:%"))
    routers = router_state.for_node(session, node_id)
    plugged = [each for router in routers for each in (*router.interfaces, router.gateway) if each is not None]
    routed = {each.network_id for each in plugged}
    ports, networks, groups = _build(session, chosen, node_id, routed)
    return NetworkState(
        version=version,
        networks=networks,
        ports=ports,
        groups=groups,
        neighbours=_neighbours(session, routed | {port.network_id for port in ports}, node_id),
        routers=routers,
    )


def for_instance(session: Session, instance_id: str) -> tuple[list[PortSpec], list[NetworkSpec], list[GroupMembers]]:
    """The ports of one instance, in order of its NICs, with their networks and groups, for the instance's command."""
    chosen = sa.select(Port.id).where(Port.device_id == instance_id, Port.device_owner.like("compute:%"))
    return _build(session, chosen, node_id=None)


def for_port(session: Session, port_id: str) -> tuple[list[PortSpec], list[NetworkSpec], list[GroupMembers]]:
    """As `for_instance`, for one port; empty when there is no such port."""
    return _build(session, sa.select(Port.id).where(Port.id == port_id), node_id=None)


def _build(
    session: Session, chosen: Chosen, node_id: str | None, routed: Collection[str] = ()
) -> tuple[list[PortSpec], list[NetworkSpec], list[GroupMembers]]:
    """For a node: also the networks that it has as the gateway, and those of its routers (`routed`).

    Without one: for the node the ports are bound to.
    """
    rows = _port_rows(session, chosen)
    bound_to = next((row.port.binding_node_id for row in rows), None)
    with_ports = {row.port.network_id for row in rows} | set(routed)
    networks = _networks(session, with_ports, node_id or bound_to, whole=node_id is not None)
    if not rows:
        return [], networks, []
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
    return ports, networks, _members(session, remotes)


@dataclass(frozen=True)
class _PortRow:
    port: Port
    hostname: str
    domain: str  # the port's own, else its network's
    instance_id: str
    trunk_port: str  # the parent that it is a subport of; "": none
    vlan_id: int


def _port_rows(session: Session, chosen: Chosen) -> list[_PortRow]:
    parent = orm.aliased(Port)
    rows = session.execute(
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
    return [
        _PortRow(
            port,
            (hostname or port.dns_name).partition(".")[0],
            port.dns_domain or domain,
            carrier.device_id if carrier else port.device_id,
            carrier.id if carrier else "",
            vlan_id or 0,
        )
        for port, hostname, domain, carrier, vlan_id in rows
    ]


def _addresses(session: Session, chosen: Chosen) -> dict[str, list[FixedAddress]]:
    rows = session.execute(
        sa.select(IpAllocation.port_id, IpAllocation.subnet_id, IpAllocation.ip_address)
        .where(IpAllocation.port_id.in_(chosen))
        .order_by(IpAllocation.port_id, IpAllocation.position, IpAllocation.ip_address)
    )
    found: dict[str, list[FixedAddress]] = {}
    for port_id, subnet_id, address in rows:
        found.setdefault(port_id, []).append(FixedAddress(subnet_id=subnet_id, ip_address=address))
    return found


@dataclass(frozen=True)
class _Group:
    id: str
    stateful: bool


def _groups_of(session: Session, chosen: Chosen) -> dict[str, list[_Group]]:
    rows = session.execute(
        sa.select(PortSecurityGroup.port_id, SecurityGroup.id, SecurityGroup.stateful)
        .join(SecurityGroup, SecurityGroup.id == PortSecurityGroup.security_group_id)
        .where(PortSecurityGroup.port_id.in_(chosen))
        .order_by(PortSecurityGroup.port_id, SecurityGroup.id)
    )
    found: dict[str, list[_Group]] = {}
    for port_id, group_id, stateful in rows:
        found.setdefault(port_id, []).append(_Group(group_id, stateful))
    return found


def _rules(session: Session, group_ids: set[str]) -> dict[str, list[FilterRule]]:
    if not group_ids:
        return {}
    rows = session.scalars(
        sa.select(SecurityGroupRule)
        .where(SecurityGroupRule.security_group_id.in_(sorted(group_ids)))
        .order_by(SecurityGroupRule.security_group_id, SecurityGroupRule.id)
    )
    found: dict[str, list[FilterRule]] = {}
    for row in rows:
        found.setdefault(row.security_group_id, []).append(_filter_rule(row))
    return found


def _filter_rule(row: SecurityGroupRule) -> FilterRule:
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
    fixed = session.execute(
        sa.select(PortSecurityGroup.security_group_id, IpAllocation.ip_address)
        .join(IpAllocation, IpAllocation.port_id == PortSecurityGroup.port_id)
        .where(PortSecurityGroup.security_group_id.in_(wanted))
    )
    for group_id, address in fixed:
        found[group_id].add(address)
    pairs = session.execute(
        sa.select(PortSecurityGroup.security_group_id, Port.allowed_address_pairs)
        .join(Port, Port.id == PortSecurityGroup.port_id)
        .where(PortSecurityGroup.security_group_id.in_(wanted), sa.cast(Port.allowed_address_pairs, sa.Text) != "[]")
    )
    for group_id, allowed in pairs:
        found[group_id].update(pair["ip_address"] for pair in allowed)
    listed = session.execute(sa.select(AddressGroup.id, AddressGroup.addresses).where(AddressGroup.id.in_(wanted)))
    for group_id, addresses in listed:
        found[group_id].update(addresses)
    return [GroupMembers(id=group_id, addresses=sorted(found[group_id])) for group_id in wanted]


def gateway_id() -> sa.ScalarSelect[str]:
    """The node that is the gateway of networks with NAT: of those enrolled as one and not lost, the first by name."""
    lost = Node.gateway_lost_at.is_not(None)
    return sa.select(Node.id).where(Node.is_gateway).order_by(lost, Node.name).limit(1).scalar_subquery()


def _networks(session: Session, with_ports: set[str], node_id: str | None, *, whole: bool) -> list[NetworkSpec]:
    """The networks of these ports as they are on a node; `whole`: also those that it has only as the gateway."""
    gateway = gateway_id()
    condition: sa.ColumnElement[bool] = Network.id.in_(sorted(with_ports))
    if whole:
        bound = sa.exists().where(Port.network_id == Network.id, Port.binding_node_id.is_not(None))
        condition |= sa.and_(gateway == node_id, Network.nat, bound)
        condition |= Network.id.in_(sa.select(DhcpNode.network_id).where(DhcpNode.node_id == node_id))
    rows = session.execute(sa.select(Network, gateway).where(condition).order_by(Network.id)).all()
    network_ids = [network.id for network, _ in rows]
    if not network_ids:
        return []
    subnets: dict[str, list[Subnet]] = {}
    for subnet in session.scalars(sa.select(Subnet).where(Subnet.network_id.in_(network_ids)).order_by(Subnet.id)):
        subnets.setdefault(subnet.network_id, []).append(subnet)
    dhcp = _services(session, network_ids)
    peers = _peers(session, network_ids, node_id)
    return [
        NetworkSpec(
            id=network.id,
            vni=network.segmentation_id or 0,
            mtu=network.mtu,
            nat=network.nat and gateway_node is not None and gateway_node == node_id,
            gateway_elsewhere=network.nat and gateway_node is not None and gateway_node != node_id,
            subnets=[_subnet_spec(subnet, dhcp.addresses.get(subnet.id)) for subnet in subnets.get(network.id, [])],
            dhcp_mac=dhcp.macs.get(network.id, ""),
            router_macs=dhcp.routers.get(network.id, []),
            peers=[] if _wired(network) else peers.get(network.id, []),
            physical_network=(network.physical_network or "") if _wired(network) else "",
            vlan_id=network.vlan_id or 0,
            vlan_transparent=network.vlan_transparent,
        )
        for network, gateway_node in rows
    ]


def _wired(network: Network) -> bool:
    """Nodes that have it meet on a wire, so that a tunnel beside it would close a loop."""
    return network.physical_network is not None and not network.nat


@dataclass(frozen=True)
class _Services:
    """The ports of the cloud itself in networks."""

    macs: dict[str, str]  # of DHCP, by network
    addresses: dict[str, str]  # of DHCP, by subnet
    routers: dict[str, list[str]]  # MACs of routers' interfaces, by network


def _neighbours(session: Session, network_ids: set[str], node_id: str) -> list[Neighbour]:
    """Ports of these networks on other nodes, in a stable order."""
    if not network_ids:
        return []
    hostname = sa.func.coalesce(Instance.hostname, Port.dns_name)
    domain = sa.func.coalesce(sa.func.nullif(Port.dns_domain, ""), Network.dns_domain)
    behind = sa.case((Node.cut_off_at.is_(None), Node.address), else_="")
    rows = session.execute(
        sa.select(Port.id, Port.network_id, hostname, IpAllocation.ip_address, domain, Port.mac_address, behind)
        .join(Network, Network.id == Port.network_id)
        .join(Node, Node.id == Port.binding_node_id)
        .outerjoin(IpAllocation, IpAllocation.port_id == Port.id)
        .outerjoin(Instance, Instance.id == Port.device_id)
        .where(Port.network_id.in_(sorted(network_ids)), Port.binding_node_id != node_id)
        .order_by(Port.network_id, Port.id, IpAllocation.position, IpAllocation.ip_address)
    )
    found: dict[str, Neighbour] = {}
    for port_id, network_id, name, address, own, mac, endpoint in rows:
        fresh = Neighbour(
            network_id=network_id, hostname=name, addresses=[], domain=own, mac_address=mac, behind=endpoint
        )
        known = found.setdefault(port_id, fresh)
        if address is not None:
            known.addresses.append(address)
    return list(found.values())


def _services(session: Session, network_ids: Sequence[str]) -> _Services:
    dhcp = sa.and_(
        Port.device_owner == DHCP_OWNER,
        Port.device_id == sa.literal("dhcp-").concat(Port.network_id),
        Port.admin_state_up.is_(True),
    )
    rows = session.execute(
        sa.select(
            Port.network_id, Port.mac_address, Port.device_owner, IpAllocation.subnet_id, IpAllocation.ip_address
        )
        .outerjoin(IpAllocation, IpAllocation.port_id == Port.id)
        .where(Port.network_id.in_(network_ids), dhcp | (Port.device_owner == router_state.INTERFACE_OWNER))
        .order_by(Port.id)
    )  # fmt: skip
    found = _Services({}, {}, {})
    for network_id, mac, owner, subnet_id, address in rows:
        if owner != DHCP_OWNER:
            known = found.routers.setdefault(network_id, [])
            known += [mac] if mac not in known else []
            continue
        found.macs[network_id] = mac
        if subnet_id is not None:
            found.addresses[subnet_id] = address
    return found


def _peers(session: Session, network_ids: Sequence[str], own: str | None) -> dict[str, list[str]]:
    """Tunnel endpoints of the other nodes that have the network; nodes without an address or cut off are none."""
    bound = sa.select(Port.network_id, Port.binding_node_id.label("node_id")).where(
        Port.network_id.in_(network_ids), Port.binding_node_id.is_not(None)
    )
    gateways = sa.select(Network.id, gateway_id()).where(Network.id.in_(network_ids), Network.nat)
    serving = sa.select(DhcpNode.network_id, DhcpNode.node_id).where(DhcpNode.network_id.in_(network_ids))
    having = bound.union(gateways, serving).subquery()
    rows = session.execute(
        sa.select(having.c.network_id, Node.address)
        .distinct()
        .join(Node, Node.id == having.c.node_id)
        .where(Node.id != (own or ""), Node.address != "", Node.cut_off_at.is_(None))
        .order_by(having.c.network_id, Node.address)
    )
    found: dict[str, list[str]] = {}
    for network_id, address in rows:
        found.setdefault(network_id, []).append(address)
    return found


def _subnet_spec(subnet: Subnet, dhcp_ip: str | None) -> SubnetSpec:
    return SubnetSpec(
        id=subnet.id,
        cidr=subnet.cidr,
        ip_version=subnet.ip_version,
        gateway_ip=subnet.gateway_ip,
        enable_dhcp=subnet.enable_dhcp,
        dhcp_ip=dhcp_ip,
        dns_nameservers=list(subnet.dns_nameservers),
        host_routes=[
            DhcpRoute(destination=route["destination"], nexthop=route["nexthop"]) for route in subnet.host_routes
        ],
        ipv6_ra_mode=subnet.ipv6_ra_mode,
        ipv6_address_mode=subnet.ipv6_address_mode,
    )
