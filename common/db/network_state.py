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

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.db import chosen_ports, port_state, router_state
from common.db.models import (
    DefaultGroupRule,
    DhcpNode,
    Instance,
    IpAllocation,
    Network,
    Node,
    Port,
    PortSecurityGroup,
    SecurityGroupRule,
    Subnet,
)
from common.errors import NotFound
from common.rpc.compute_v1 import (
    GroupMembers,
    Neighbour,
    NetworkSpec,
    NetworkState,
    PortSpec,
    SubnetSpec,
)
from common.rpc.routers_v1 import DhcpRoute

DHCP_OWNER = "network:dhcp"


def touch(session: Session, node_ids: Iterable[str | None]) -> None:
    """These nodes must fetch their state again."""
    wanted = sorted({node_id for node_id in node_ids if node_id})
    if wanted:
        _raise(session, _WANTED_OF_NODES, nodes=wanted)


def touch_all(session: Session) -> None:
    """A gateway came, went or changed."""
    _raise(session, _WANTED_OF_ALL)


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
    _raise(session, _WANTED_FOR_NETWORKS, networks=wanted, nodes=more)


def touch_for_name_of(session: Session, instance_id: str) -> None:
    """The instance is up: the resolvers of its networks on other nodes must know its name."""
    _raise(session, _WANTED_FOR_NAME, instance=instance_id)


def touch_for_network(session: Session, network_id: str) -> None:
    touch_for_networks(session, [network_id])


def touch_for_groups(session: Session, group_ids: Iterable[str]) -> None:
    """The members of these groups changed: nodes with a port whose rules name one of them as remote are concerned."""
    wanted = sorted(set(group_ids))
    if wanted:
        _raise(session, _WANTED_FOR_GROUPS, groups=wanted)


def touch_for_rules(session: Session, group_ids: Iterable[str]) -> None:
    """The rules of these groups changed: nodes with a member port are concerned."""
    wanted = sorted(set(group_ids))
    if wanted:
        _raise(session, _WANTED_FOR_RULES, groups=wanted)


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


def _raise(session: Session, wanted: sa.Update, **parameters: Any) -> None:
    session.flush()  # what the session has pending must be written before
    session.connection().execute(wanted, parameters)


def _wanted(condition: sa.ColumnElement[bool]) -> sa.Update:
    ordered = sa.select(Node.id).where(condition).order_by(Node.id).with_for_update(key_share=True)  # against deadlocks
    return sa.update(Node).where(Node.id.in_(ordered)).values(network_wanted=Node.network_wanted + 1)


def _bound_in_networks() -> sa.ColumnElement[bool]:
    bound = sa.select(Port.binding_node_id).where(Port.network_id.in_(_NETWORKS), Port.binding_node_id.is_not(None))
    serving = sa.select(DhcpNode.node_id).where(DhcpNode.network_id.in_(_NETWORKS))
    with_nat = sa.exists().where(Network.id.in_(_NETWORKS), Network.nat)
    return Node.id.in_(bound) | Node.id.in_(serving) | (Node.is_gateway & with_nat)


def _beside(instance: sa.BindParameter[str]) -> sa.ColumnElement[bool]:
    own = sa.select(Port.network_id, Port.binding_node_id).where(Port.device_id == instance).subquery()
    others = sa.select(Port.binding_node_id).join(own, own.c.network_id == Port.network_id)
    return Node.id.in_(others.where(Port.binding_node_id != own.c.binding_node_id))


_NETWORKS: sa.BindParameter[Any] = sa.bindparam("networks", expanding=True)
_NODES: sa.BindParameter[Any] = sa.bindparam("nodes", expanding=True)
_GROUPS: sa.BindParameter[Any] = sa.bindparam("groups", expanding=True)
_MEMBER_NODES = (
    sa.select(Port.binding_node_id)
    .join(PortSecurityGroup, PortSecurityGroup.port_id == Port.id)
    .where(Port.binding_node_id.is_not(None))
)
# Made once: to make such a statement takes longer than to execute it.
_WANTED_OF_ALL = _wanted(sa.true())
_WANTED_OF_NODES = _wanted(Node.id.in_(_NODES))
_WANTED_FOR_NETWORKS = _wanted(_bound_in_networks() | Node.id.in_(_NODES))
_WANTED_FOR_NAME = _wanted(_beside(sa.bindparam("instance", type_=sa.String)))
_WANTED_FOR_RULES = _wanted(Node.id.in_(_MEMBER_NODES.where(PortSecurityGroup.security_group_id.in_(_GROUPS))))
_WANTED_FOR_GROUPS = _wanted(
    Node.id.in_(
        _MEMBER_NODES.join(
            SecurityGroupRule, SecurityGroupRule.security_group_id == PortSecurityGroup.security_group_id
        ).where(SecurityGroupRule.remote_group_id.in_(_GROUPS))
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
    routers = router_state.for_node(session, node_id)
    plugged = [each for router in routers for each in (*router.interfaces, router.gateway) if each is not None]
    routed = {each.network_id for each in plugged}
    told = port_state.build(session, chosen_ports.of_node(node_id))
    having = routed | _having(told)
    return NetworkState(
        version=version,
        networks=_networks(session, having, node_id, whole=True),
        ports=told.ports,
        groups=told.groups,
        neighbours=_neighbours(session, having, node_id),
        routers=routers,
    )


def for_instance(session: Session, instance_id: str) -> tuple[list[PortSpec], list[NetworkSpec], list[GroupMembers]]:
    """The ports of one instance, in order of its NICs, with their networks and groups, for the instance's command."""
    return _for_ports(session, chosen_ports.of_instance(instance_id))


def for_port(session: Session, port_id: str) -> tuple[list[PortSpec], list[NetworkSpec], list[GroupMembers]]:
    """As `for_instance`, for one port; empty when there is no such port."""
    return _for_ports(session, chosen_ports.one(port_id))


def _for_ports(
    session: Session, chosen: chosen_ports.Chosen
) -> tuple[list[PortSpec], list[NetworkSpec], list[GroupMembers]]:
    """As they are on the node that the ports are bound to."""
    told = port_state.build(session, chosen)
    return told.ports, _networks(session, _having(told), told.node_id, whole=False), told.groups


def _having(told: port_state.PortState) -> set[str]:
    return {port.network_id for port in told.ports}


def gateway_id() -> sa.ScalarSelect[str]:
    """The node that is the gateway of networks with NAT: of those enrolled as one and not lost, the first by name."""
    lost = Node.gateway_lost_at.is_not(None)
    return sa.select(Node.id).where(Node.is_gateway).order_by(lost, Node.name).limit(1).scalar_subquery()


def _networks(session: Session, with_ports: set[str], node_id: str | None, *, whole: bool) -> list[NetworkSpec]:
    """The networks of these ports as they are on a node; `whole`: also those that it has only as the gateway."""
    wanted = {"networks": sorted(with_ports), "node": node_id or ""}
    rows = session.execute(_NETWORKS_OF_NODE if whole else _NAMED_NETWORKS, wanted).all()
    network_ids = [network.id for network, _ in rows]
    if not network_ids:
        return []
    subnets: dict[str, list[Subnet]] = {}
    for subnet in session.scalars(_SUBNETS, {"networks": network_ids}):
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


def _networks_of_node() -> sa.ColumnElement[bool]:
    bound = sa.exists().where(Port.network_id == Network.id, Port.binding_node_id.is_not(None))
    serving = sa.select(DhcpNode.network_id).where(DhcpNode.node_id == _NODE)
    as_gateway = sa.and_(gateway_id() == _NODE, Network.nat, bound)
    return Network.id.in_(_NETWORKS) | as_gateway | Network.id.in_(serving)


_NODE: sa.BindParameter[str] = sa.bindparam("node", type_=sa.String)
_ANY_NETWORKS = sa.select(Network, gateway_id()).order_by(Network.id)
_NAMED_NETWORKS = _ANY_NETWORKS.where(Network.id.in_(_NETWORKS))
_NETWORKS_OF_NODE = _ANY_NETWORKS.where(_networks_of_node())
_SUBNETS = sa.select(Subnet).where(Subnet.network_id.in_(_NETWORKS)).order_by(Subnet.id)


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
    wanted = {"networks": sorted(network_ids), "node": node_id}
    rows = session.connection().execute(_NEIGHBOURS, wanted)
    found: dict[str, Neighbour] = {}
    for port_id, network_id, name, address, own, mac, endpoint in rows:
        fresh = Neighbour(
            network_id=network_id, hostname=name, addresses=[], domain=own, mac_address=mac, behind=endpoint
        )
        known = found.setdefault(port_id, fresh)
        if address is not None:
            known.addresses.append(address)
    return list(found.values())


def _neighbour_rows() -> sa.Select[str, str, str, str, str, str, str]:
    hostname = sa.func.coalesce(Instance.hostname, Port.dns_name)
    domain = sa.func.coalesce(sa.func.nullif(Port.dns_domain, ""), Network.dns_domain)
    behind = sa.case((Node.cut_off_at.is_(None), Node.address), else_="")
    return (
        sa.select(Port.id, Port.network_id, hostname, IpAllocation.ip_address, domain, Port.mac_address, behind)
        .join(Network, Network.id == Port.network_id)
        .join(Node, Node.id == Port.binding_node_id)
        .outerjoin(IpAllocation, IpAllocation.port_id == Port.id)
        .outerjoin(Instance, Instance.id == Port.device_id)
        .where(Port.network_id.in_(_NETWORKS), Port.binding_node_id != _NODE)
        .order_by(Port.network_id, Port.id, IpAllocation.position, IpAllocation.ip_address)
    )


_NEIGHBOURS = _neighbour_rows()


def _services(session: Session, network_ids: Sequence[str]) -> _Services:
    found = _Services({}, {}, {})
    rows = session.connection().execute(_SERVICE_PORTS, {"networks": network_ids})
    for network_id, mac, owner, subnet_id, address in rows:
        if owner != DHCP_OWNER:
            known = found.routers.setdefault(network_id, [])
            known += [mac] if mac not in known else []
            continue
        found.macs[network_id] = mac
        if subnet_id is not None:
            found.addresses[subnet_id] = address
    return found


_ANSWERS_DHCP = sa.and_(
    Port.device_owner == DHCP_OWNER,
    Port.device_id == sa.literal("dhcp-").concat(Port.network_id),
    Port.admin_state_up.is_(True),
)
_SERVICE_PORTS = (
    sa.select(Port.network_id, Port.mac_address, Port.device_owner, IpAllocation.subnet_id, IpAllocation.ip_address)
    .outerjoin(IpAllocation, IpAllocation.port_id == Port.id)
    .where(Port.network_id.in_(_NETWORKS), _ANSWERS_DHCP | (Port.device_owner == router_state.INTERFACE_OWNER))
    .order_by(Port.id)
)


def _peers(session: Session, network_ids: Sequence[str], own: str | None) -> dict[str, list[str]]:
    """Tunnel endpoints of the other nodes that have the network; nodes without an address or cut off are none."""
    found: dict[str, list[str]] = {}
    for network_id, address in session.connection().execute(_PEERS, {"networks": network_ids, "node": own or ""}):
        found.setdefault(network_id, []).append(address)
    return found


def _peer_rows() -> sa.Select[str, str]:
    bound = sa.select(Port.network_id, Port.binding_node_id.label("node_id")).where(
        Port.network_id.in_(_NETWORKS), Port.binding_node_id.is_not(None)
    )
    gateways = sa.select(Network.id, gateway_id()).where(Network.id.in_(_NETWORKS), Network.nat)
    serving = sa.select(DhcpNode.network_id, DhcpNode.node_id).where(DhcpNode.network_id.in_(_NETWORKS))
    having = bound.union(gateways, serving).subquery()
    return (
        sa.select(having.c.network_id, Node.address)
        .distinct()
        .join(Node, Node.id == having.c.node_id)
        .where(Node.id != _NODE, Node.address != "", Node.cut_off_at.is_(None))
        .order_by(having.c.network_id, Node.address)
    )


_PEERS = _peer_rows()


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
