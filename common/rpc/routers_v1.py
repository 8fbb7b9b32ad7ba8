"""Version 1 of what an agent is told of routers: parts of compute_v1.NetworkState, of which the rules there hold."""

from __future__ import annotations

import msgspec


class DhcpRoute(msgspec.Struct, frozen=True, kw_only=True):
    destination: str
    nexthop: str


class Bandwidth(msgspec.Struct, frozen=True, kw_only=True):
    """A limit in kbit/s; burst_kbit 0: as much as the rate needs."""

    kbit_per_s: int
    burst_kbit: int = 0


class PacketRate(msgspec.Struct, frozen=True, kw_only=True):
    """A limit in packets a second; burst_packets 0: as many as the rate needs."""

    packets_per_s: int
    burst_packets: int = 0


class AdvertisedPrefix(msgspec.Struct, frozen=True, kw_only=True):
    """An IPv6 range that a router tells hosts of. mode: how they get addresses in it, in Neutron's words."""

    cidr: str
    mode: str  # "slaac", "dhcpv6-stateless", "dhcpv6-stateful"


class RouterInterface(msgspec.Struct, frozen=True, kw_only=True):
    """A router's port, as one device of its namespace. addresses: with prefix length, "10.0.0.1/24"."""

    port_id: str
    network_id: str
    mac_address: str
    mtu: int
    addresses: list[str] = []
    advertised: list[AdvertisedPrefix] = []


class FloatingAddress(msgspec.Struct, frozen=True, kw_only=True):
    """`address` outside stands for `fixed_address` inside, in both directions."""

    address: str
    fixed_address: str


class ForwardedPort(msgspec.Struct, frozen=True, kw_only=True):
    """One port of a floating address that leads to a port of a fixed one, or as many as `last_port` says.

    last_port 0: `port` alone. fixed_last_port 0: all of them lead to fixed_port; else the first to the first, and so on.
    """

    address: str
    protocol: str  # "tcp", "udp", "sctp"
    port: int
    fixed_address: str
    fixed_port: int
    last_port: int = 0
    fixed_last_port: int = 0


class LimitedAddress(msgspec.Struct, frozen=True, kw_only=True):
    """A router's address outside whose traffic is limited; directions as seen from inside."""

    address: str
    egress: Bandwidth | None = None
    ingress: Bandwidth | None = None


class ConntrackHelper(msgspec.Struct, frozen=True, kw_only=True):
    """A port at which a router's conntrack looks for the further connections that a protocol announces."""

    helper: str  # as the kernel names it: "ftp", "tftp", …
    protocol: str  # "tcp", "udp"
    port: int


class MeteringRule(msgspec.Struct, frozen=True, kw_only=True):
    """What counts by a label, or (`excluded`) does not. Prefixes that are None are any; remote: of the side outside."""

    direction: str  # "ingress" (from outside), "egress"
    excluded: bool = False
    remote: str | None = None
    source: str | None = None
    destination: str | None = None


class MeteringLabel(msgspec.Struct, frozen=True, kw_only=True):
    """A counter at a router. rules: those that exclude first."""

    id: str
    rules: list[MeteringRule] = []


class RouterSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A router that this node has. gateway: its interface to the outside; gateway_ips: next hops there, one per version.

    source_nat: what leaves by the gateway without a floating address bears the gateway interface's own.
    ndp_proxy: of IPv6, outside reaches `ndp_proxied` alone, for which the router answers neighbour solicitations there.
    """

    id: str
    interfaces: list[RouterInterface] = []
    gateway: RouterInterface | None = None
    gateway_ips: list[str] = []
    source_nat: bool = True
    routes: list[DhcpRoute] = []
    floating: list[FloatingAddress] = []
    forwarded: list[ForwardedPort] = []
    metering: list[MeteringLabel] = []
    ndp_proxy: bool = False
    ndp_proxied: list[str] = []
    limited: list[LimitedAddress] = []
    helpers: list[ConntrackHelper] = []
