"""What the trace of a packet speaks of: the packet, the cloud as far as it needs it, and the hops it finds."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from common.filter_rules import ICMP, ICMPV6
from common.rpc.compute_v1 import NetworkState, PortSpec

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

#: where clients' ports begin: the other end of a connection whose own port nobody named
EPHEMERAL_PORT = 49152
METADATA = frozenset(ipaddress.ip_address(each) for each in ("169.254.169.254", "fe80::a9fe:a9fe"))
ECHO = {4: (ICMP, 8, 0), 6: (ICMPV6, 128, 129)}  # protocol, request, reply


class Verdict(StrEnum):
    PASSES = "passes"
    STOPPED = "stopped"
    LEAVES = "leaves"  # the cloud; what is beyond, nobody here knows
    HANDED_ON = "handed_on"  # to a server that has to route it on


@dataclass(frozen=True)
class Packet:
    """The first of a flow, or (`reply`) of its answer. low, high: destination port twice, or ICMP type and code."""

    source: Address
    target: Address
    protocol: int
    low: int | None
    high: int | None
    reply: bool = False

    @property
    def version(self) -> int:
        return self.target.version


def first(source: Address, target: Address, protocol: int, port: int | None) -> Packet:
    """protocol ICMP means an echo request of the target's own version."""
    if protocol in (ICMP, ICMPV6):
        number, kind, _ = ECHO[target.version]
        return Packet(source, target, number, kind, 0)
    return Packet(source, target, protocol, port, port)


def answer(packet: Packet) -> Packet:
    """What comes back, seen from where the packet arrived."""
    if packet.protocol in (ICMP, ICMPV6):
        kind = ECHO[packet.version][2] if packet.version == 6 else 0
        return Packet(packet.target, packet.source, packet.protocol, kind, 0, reply=True)
    back = EPHEMERAL_PORT if packet.low is not None else None
    return Packet(packet.target, packet.source, packet.protocol, back, back, reply=True)


class OwnerKind(StrEnum):
    PORT = "port"  # a guest's, or anybody's that is no device of the cloud
    ROUTER = "router"
    FLOATING = "floating_ip"
    DHCP = "dhcp"


@dataclass(frozen=True)
class Owner:
    """Who has an address in a network. node_id: where its port is plugged, None: nowhere.

    router_id: of a router's port, and of the router that translates a floating address.
    """

    kind: OwnerKind
    port_id: str
    node_id: str | None = None
    router_id: str | None = None


@dataclass(frozen=True)
class NodeFacts:
    """address: its tunnel endpoint, "" without one. trouble: why nothing of it can be relied on, "" when all is well.

    note: what is worth knowing, but stops nothing.
    """

    id: str
    name: str
    address: str = ""
    trouble: str = ""
    note: str = ""


class World(Protocol):
    """The cloud as the trace asks for it: the very states that agents get, and who has which address."""

    def owner(self, network_id: str, address: Address) -> Owner | None: ...

    def node(self, node_id: str) -> NodeFacts: ...

    def state(self, node_id: str) -> NetworkState:
        """What the node's agent is to make so."""
        ...

    def nat_node(self) -> str | None:
        """The node that is the way out of networks with NAT."""
        ...

    def node_addresses(self) -> Sequence[Address]:
        """Of the machines themselves."""
        ...

    def idle(self, port_id: str) -> str:
        """Why nobody listens behind a guest's port, such as that the server is shut off; "" when it runs."""
        ...


@dataclass(frozen=True)
class Hop:
    """One thing that the packet meets. id: of the port, router or network.

    For administrators alone: detail (nodes by name, their addresses), node_id, device (as `ip link` or `ip netns` on the
    node show it).
    """

    at: str  # "server", "port", "security_group", "bridge", "tunnel", "node", "router", "nat", "gateway", "service", "uplink"
    what: str
    passes: bool = True
    detail: str = ""
    device: str = ""
    node_id: str = ""
    id: str = ""
    answer: bool = False  # on the way back


@dataclass(frozen=True)
class Trace:
    verdict: Verdict
    reason: str
    hops: tuple[Hop, ...]
    packet: Packet
    arrived_at: str = ""  # id of the port or router that it came to


@dataclass(frozen=True)
class Start:
    """A server's port that the packet leaves from."""

    port: PortSpec
    node_id: str


def device(prefix: str, identity: str) -> str:
    """As compute_agent/networking/names.py makes names; a test holds the two together."""
    return prefix + identity.replace("-", "").lower()[:8]
