"""What the filters enforce, worked out from the desired state: typed values between the bus's words and nft's.

Pure: the same state and numbers give the same plan. A network or port whose addresses make no sense is
left out, so that its tap is unknown and all it sends is dropped; a port with a bad rule stays, closed. Both are named
in `faults`.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from common.errors import NetworkingError
from common.filter_rules import Accept, RuleError, normalise
from common.rpc.compute_v1 import GroupMembers, NetworkSpec, PortSpec, QosSpec
from compute_agent.networking import names
from compute_agent.networking.nft_tree import Network

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
NO_ZONE = 0
_MAC = re.compile(r"^[0-9a-f]{2}(:[0-9a-f]{2}){5}$")


@dataclass(frozen=True)
class FilterNetwork:
    """zone is the conntrack zone: NO_ZONE for networks whose gateway is on the node, one of its own for others.

    The first share the node's routing table, so their addresses can't overlap; the others may use any.
    """

    id: str
    bridge: str
    veth: str
    tunnel: str
    zone: int
    gateways: tuple[str, ...]
    cidrs: tuple[str, ...]  # IPv4 ranges that are translated on the way out; empty without NAT
    services: tuple[Address, ...]  # addresses of the network's own namespace
    service_mac: str
    gateway_mac: str = ""
    gateway_addresses: tuple[str, ...] = ()  # as `gateways`, and also where the gateway is on another node
    peers: tuple[str, ...] = ()  # nodes that tunnelled frames may come from
    uplink: str = ""  # the machine's device that is part of the network
    router_macs: tuple[str, ...] = ()  # who may advertise itself as an IPv6 router
    transparent: bool = False  # frames with guests' own VLAN tags come out of its tunnel


@dataclass(frozen=True)
class PortLogging:
    """The logs (ids) that hear of what a port's rules accept, by direction and rule, and of what none accepts."""

    accepted: Mapping[tuple[str, Accept], tuple[str, ...]]
    dropped: tuple[str, ...]


@dataclass(frozen=True)
class LocalAddress:
    """A local IP (IPv4) of a port's network, and what it leads to: the port's `fixed`; None: it passes as it is."""

    address: Address
    mac: str
    fixed: Address | None


@dataclass(frozen=True)
class FilterPort:
    """ingress and egress are None when the port is closed because a rule of it is bad; `open`: no port security."""

    id: str
    index: int
    tap: str
    bridge: str
    zone: int
    open: bool
    stateful: bool
    macs: tuple[str, ...]
    sources: tuple[tuple[str, Network], ...]  # (MAC, range) pairs it may send from
    addresses: tuple[Address, ...]  # single addresses it may be reached at
    ingress: tuple[Accept, ...] | None
    egress: tuple[Accept, ...] | None
    qos: QosSpec | None = None
    logging: PortLogging | None = None
    local: tuple[LocalAddress, ...] = ()


@dataclass(frozen=True)
class Surroundings:
    """What a node's place in the machine room adds to its filters.

    underlay: ranges that the nodes talk in, which guests must not reach by the gateway, whose address their packets
    would bear. resolvers: guests may ask them nevertheless. physical: (physical network, the machine's device).
    """

    underlay: tuple[str, ...] = ()
    resolvers: tuple[str, ...] = ()
    physical: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class FilterPlan:
    networks: tuple[FilterNetwork, ...] = ()
    ports: tuple[FilterPort, ...] = ()
    groups: Mapping[str, list[Network]] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)  # id of a port or network -> why it is closed or left out
    surroundings: Surroundings = Surroundings()


def build(
    networks: Sequence[NetworkSpec],
    ports: Sequence[PortSpec],
    groups: Sequence[GroupMembers],
    *,
    indices: Mapping[str, int],
    zones: Mapping[str, int],
    closed: Mapping[str, str] | None = None,
    surroundings: Surroundings = Surroundings(),
) -> FilterPlan:
    """The plan of a node. `indices` and `zones` number ports and networks; `closed` names ports to close, and why."""
    faults: dict[str, str] = dict(closed or {})
    known = _networks(networks, zones, faults, dict(surroundings.physical))
    planned: dict[str, FilterPort] = {}
    for port in sorted(ports, key=lambda each: each.id):
        if not port.admin_up or port.network_id not in known:
            continue
        try:
            made = _filter_port(port, known[port.network_id], indices[port.id], faults)
        except (ValueError, NetworkingError) as err:
            faults[port.id] = str(err)
            continue
        if made.tap in planned:
            faults[port.id] = f"its device name {made.tap} is taken by another port"
            continue
        planned[made.tap] = made
    return FilterPlan(
        networks=tuple(sorted(known.values(), key=lambda each: each.bridge)),
        ports=tuple(planned.values()),
        groups=_members(groups, planned.values()),
        faults=faults,
        surroundings=surroundings,
    )


def _networks(
    networks: Sequence[NetworkSpec], zones: Mapping[str, int], faults: dict[str, str], physical: Mapping[str, str]
) -> dict[str, FilterNetwork]:
    known: dict[str, FilterNetwork] = {}
    bridges: set[str] = set()
    for network in sorted(networks, key=lambda each: each.id):
        try:
            made = _filter_network(network, zones.get(network.id, NO_ZONE), uplink(network, physical))
        except (ValueError, NetworkingError) as err:
            faults[network.id] = str(err)
            continue
        if made.bridge in bridges:
            faults[network.id] = f"its device name {made.bridge} is taken by another network"
            continue
        bridges.add(made.bridge)
        known[network.id] = made
    return known


def uplink(network: NetworkSpec, physical: Mapping[str, str]) -> str:
    """The device by which a physical network is joined on this node; "": by none."""
    device = physical.get(network.physical_network, "")
    return names.vlan(network.id) if device and network.vlan_id else device


def _filter_network(network: NetworkSpec, zone: int, uplink: str) -> FilterNetwork:
    subnets = [subnet for subnet in network.subnets if subnet.ip_version == 4]
    translated = subnets if network.nat else []
    has_gateway = network.nat or network.gateway_elsewhere
    return FilterNetwork(
        id=network.id,
        bridge=names.bridge(network.id),
        veth=names.veth(network.id),
        tunnel=names.tunnel(network.id),
        zone=NO_ZONE if network.nat else zone,
        gateways=tuple(_ipv4(subnet.gateway_ip) for subnet in translated if subnet.gateway_ip),
        cidrs=tuple(str(ipaddress.ip_network(subnet.cidr)) for subnet in translated if subnet.gateway_ip),
        services=tuple(ipaddress.ip_address(subnet.dhcp_ip) for subnet in network.subnets if subnet.dhcp_ip),
        service_mac=_mac(network.dhcp_mac or names.mac_of("namespace", network.id)),
        gateway_mac=names.bridge_mac(network.id, is_gateway=True) if has_gateway else "",
        gateway_addresses=tuple(_ipv4(each.gateway_ip) for each in subnets if has_gateway and each.gateway_ip),
        peers=tuple(_ipv4(peer) for peer in network.peers),
        uplink=uplink,
        router_macs=tuple(_mac(mac) for mac in network.router_macs),
        transparent=network.vlan_transparent,
    )


def link_local(mac: str) -> ipaddress.IPv6Address:
    """The link-local address that a MAC address leads to (EUI-64)."""
    octets = bytes.fromhex(mac.replace(":", ""))
    interface = bytes((octets[0] ^ 2, octets[1], octets[2], 0xFF, 0xFE, octets[3], octets[4], octets[5]))
    return ipaddress.IPv6Address(b"\xfe\x80" + bytes(6) + interface)


def collapse(texts: Iterable[str]) -> list[Network]:
    """Addresses and CIDRs as the fewest ranges, IPv4 first; a /0 as its halves. Raises ValueError."""
    parsed = {ipaddress.ip_network(text, strict=False) for text in texts}
    found: list[Network] = []
    for version in (4, 6):
        for network in _collapse_one([each for each in parsed if each.version == version], version):
            found += network.subnets(prefixlen_diff=1) if network.prefixlen == 0 else [network]
    return found


def _collapse_one(parsed: list[Network], version: int) -> list[Network]:
    if all(each.prefixlen == each.max_prefixlen for each in parsed):
        return sorted(parsed, key=lambda each: int(each.network_address))  # single addresses: nothing covers another
    if version == 4:
        return list(ipaddress.collapse_addresses([each for each in parsed if isinstance(each, ipaddress.IPv4Network)]))
    return list(ipaddress.collapse_addresses([each for each in parsed if isinstance(each, ipaddress.IPv6Network)]))


def _filter_port(port: PortSpec, network: FilterNetwork, index: int, faults: dict[str, str]) -> FilterPort:
    own_mac = _mac(port.mac_address)
    texts: dict[str, list[str]] = {own_mac: [fixed.ip_address for fixed in port.addresses]}
    for pair in port.address_pairs:
        texts.setdefault(_mac(pair.mac_address or own_mac), []).append(pair.ip_address)
    texts[own_mac] += [local.ip_address for local in port.local_ips if not local.translate]
    sources: list[tuple[str, Network]] = []
    for mac, ranges in sorted(texts.items()):
        sources += [(mac, each) for each in collapse([*ranges, str(link_local(mac))])]
    singles = {each.network_address for _, each in sources if each.prefixlen == each.max_prefixlen}
    singles |= {ipaddress.ip_address(fixed.ip_address) for fixed in port.addresses}
    reachable = sorted((each for each in singles if not each.is_link_local), key=lambda each: (each.version, int(each)))
    ingress, egress = _accepts(port, faults)
    return FilterPort(
        id=port.id, index=index, tap=names.tap(port.id), bridge=network.bridge, zone=network.zone,
        open=not port.port_security and port.id not in faults, stateful=port.stateful, macs=tuple(sorted(texts)),
        sources=tuple(sources), addresses=tuple(reachable), ingress=ingress, egress=egress,
        qos=port.qos, logging=_logging(port) if ingress is not None else None, local=_local(port, own_mac),
    )  # fmt: skip


def _local(port: PortSpec, mac: str) -> tuple[LocalAddress, ...]:
    return tuple(
        LocalAddress(_ipv4_of(each.ip_address), mac, _ipv4_of(each.fixed_ip) if each.translate else None)
        for each in sorted(port.local_ips, key=lambda local: local.ip_address)
    )


def _logging(port: PortSpec) -> PortLogging | None:
    """Called when all rules have their normal form."""
    if port.logs is None or not port.port_security:
        return None
    accepted: dict[tuple[str, Accept], set[str]] = {}
    for rule in port.rules:
        if rule.logs:
            accepted.setdefault((rule.direction, normalise(rule)), set()).update(rule.logs)
    return PortLogging(
        accepted={key: tuple(sorted(heard)) for key, heard in accepted.items()},
        dropped=tuple(sorted(port.logs.dropped)),
    )


def _accepts(
    port: PortSpec, faults: dict[str, str]
) -> tuple[tuple[Accept, ...], tuple[Accept, ...]] | tuple[None, None]:
    if port.id in faults:
        return None, None
    ingress: set[Accept] = set()
    egress: set[Accept] = set()
    for rule in port.rules:
        try:
            (ingress if rule.direction == "ingress" else egress).add(normalise(rule))
        except RuleError as err:
            faults[port.id] = f"a security group rule can't be enforced: {err}"
            return None, None
    return _ordered(ingress), _ordered(egress)


def _ordered(accepts: set[Accept]) -> tuple[Accept, ...]:
    return tuple(sorted(accepts, key=lambda each: tuple(str(value) for value in vars(each).values())))


def _members(groups: Sequence[GroupMembers], ports: Iterable[FilterPort]) -> dict[str, list[Network]]:
    """Members of every group that a rule names; one that nobody has described is empty and so accepts nothing."""
    used = {accept.group for port in ports for accept in (*(port.ingress or ()), *(port.egress or ())) if accept.group}
    known = {group.id: group.addresses for group in groups}
    return {group_id: _sane(known.get(group_id, [])) for group_id in sorted(used)}


def _sane(texts: Iterable[str]) -> list[Network]:
    good = []
    for text in texts:
        try:
            ipaddress.ip_network(text, strict=False)
        except ValueError:
            continue  # a member that has no address is in nobody's remote group
        good.append(text)
    return collapse(good)


def _ipv4(text: str) -> str:
    return str(_ipv4_of(text))


def _ipv4_of(text: str) -> ipaddress.IPv4Address:
    return ipaddress.IPv4Address(text)


def _mac(text: str) -> str:
    mac = text.lower().replace("-", ":")
    if not _MAC.match(mac):
        raise ValueError(f"{text!r} is not a MAC address")
    if int(mac[:2], 16) & 1:
        raise ValueError(f"{text} is a multicast address, which no port can have")
    return mac
