"""Follows a packet from a server's port to where it ends, and its answer back; pure, on the states that agents get.

Each hop says whether it passes and by what. What the agents make of a state is in compute_agent/networking; a test
compares this module's verdicts with what real packets meet there.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from api.cumulet.trace import routing, rules
from api.cumulet.trace.model import (
    METADATA,
    Address,
    Hop,
    Owner,
    OwnerKind,
    Packet,
    Start,
    Trace,
    Verdict,
    World,
    answer,
    device,
    first,
)
from common.filter_rules import ICMP, ICMPV6, TCP, UDP
from common.rpc.compute_v1 import NetworkSpec, PortSpec
from common.rpc.routers_v1 import RouterInterface, RouterSpec

MAX_HOPS = 32  # of routers; more is a loop
_SERVICE_PORTS = {(TCP, 53), (UDP, 53), (UDP, 67), (UDP, 547)}


class _Stopped(Exception):
    """The packet goes no further; the last hop says why."""


@dataclass(frozen=True)
class _Arrival:
    """Where a packet ended.

    kind: "port", "router", "service", "gateway", "self", "beyond" (outside), "handed" (a server routes on).
    """

    kind: str
    packet: Packet
    network_id: str
    node_id: str
    port: PortSpec | None = None
    router: RouterSpec | None = None


@dataclass(frozen=True)
class _Tracked:
    """A flow as a router saw it come and go."""

    router_id: str
    came: Packet
    went: Packet


def trace(world: World, starts: Sequence[Start], target: Address, protocol: int, port: int | None) -> Trace:
    """starts: the server's ports, in order of its NICs. port: of TCP, UDP and their like."""
    walk = _Walk(world)
    dummy = Packet(target, target, protocol, port, port)
    try:
        start, source = walk.choose(starts, target)
    except _Stopped:
        return _stopped(walk, dummy)
    packet = first(source, target, protocol, port)
    try:
        arrival = walk.from_port(start, packet)
        back = walk.answered(arrival)
        if back is not None:
            walk.back_at(back, start)
    except _Stopped:
        return _stopped(walk, packet)
    verdict = {"beyond": Verdict.LEAVES, "handed": Verdict.HANDED_ON}.get(arrival.kind, Verdict.PASSES)
    what = next(hop.what for hop in reversed(walk.hops) if not hop.answer)
    arrived = arrival.port.id if arrival.port else arrival.router.id if arrival.router else ""
    return Trace(verdict, what, tuple(walk.hops), packet, arrived)


def _stopped(walk: _Walk, packet: Packet) -> Trace:
    return Trace(Verdict.STOPPED, walk.hops[-1].what, tuple(walk.hops), packet)


class _Walk:
    """The hops so far, and what nodes and routers remember of the flow."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.hops: list[Hop] = []
        self._seen: set[tuple[str, Address, Address]] = set()  # (network, source, target): conntrack of its zone
        self._tracked: list[_Tracked] = []
        self._answering = False
        self._noted: set[str] = set()  # nodes of which something was said
        self._forwarded = 0

    # -- telling --------------------------------------------------------------------------------------------------------

    def _pass(self, at: str, what: str, **more: Any) -> None:
        self.hops.append(Hop(at, what, answer=self._answering, **more))

    def _stop(self, at: str, what: str, **more: Any) -> _Stopped:
        self.hops.append(Hop(at, what, passes=False, answer=self._answering, **more))
        return _Stopped()

    # -- a server's own side --------------------------------------------------------------------------------------------

    def choose(self, starts: Sequence[Start], target: Address) -> tuple[Start, Address]:
        """The port and address that the server's own routes would use. Raises _Stopped."""
        if not starts:
            raise self._stop("server", "the server has no port that is plugged in on a node")
        best: tuple[int, int, Start, Address] | None = None
        for order, start in enumerate(starts):
            network = self._network(start.node_id, start.port.network_id)
            for address in _addresses(start.port, target.version):
                route = _next_hop(network, address, target)
                if route is not None and (best is None or (route[0], -order) > best[:2]):
                    best = (route[0], -order, start, address)
        if best is None:
            first_port = starts[0].port
            raise self._stop(
                "server", f"no subnet of the server's ports has {target}, a route to it, or a gateway", id=first_port.id
            )
        return best[2], best[3]

    def from_port(self, start: Start, packet: Packet) -> _Arrival:
        """A packet that a guest sends by one of its ports, to where it ends. Raises _Stopped."""
        port, node_id = start.port, start.node_id
        network = self._network(node_id, port.network_id)
        tap = device("cmltap", port.id)
        self._alive(node_id, tap)
        idle = self.world.idle(port.id)
        if idle:
            raise self._stop("server", idle, id=port.id, node_id=node_id)
        if packet.source == packet.target:
            self._pass("server", "is the server itself: nothing leaves it", node_id=node_id, id=port.id)
            return _Arrival("self", packet, network.id, node_id, port=port)
        if not port.admin_up:
            raise self._stop(
                "port", "the port is switched off (admin state down)", id=port.id, node_id=node_id, device=tap
            )
        sends = f"{packet.source} sends to {packet.target}{_tagged(port)}"
        self._pass("server", sends, device=tap, node_id=node_id, id=port.id)
        route = (
            (32, packet.target, "") if packet.target in METADATA else _next_hop(network, packet.source, packet.target)
        )
        if route is None:
            raise self._stop("server", f"the subnet of {packet.source} has no route to {packet.target}", id=port.id)
        _, hop, why = route
        if why:
            self._pass("server", why, node_id=node_id)
        if self._is_service(network, hop):
            return self._service(network, node_id, packet)
        self._group(port, node_id, "egress", packet)
        self._seen.add((network.id, packet.source, packet.target))
        return self._deliver(network, node_id, hop, packet)

    def back_at(self, arrival: _Arrival, start: Start) -> None:
        """Raises _Stopped when an answer came to somebody else."""
        if arrival.port is None or arrival.port.id != start.port.id:
            raise self._stop(
                "server", f"the answer comes to {arrival.packet.target} elsewhere, not to the server that asked"
            )

    def _group(self, port: PortSpec, node_id: str, direction: str, packet: Packet) -> None:
        established = packet.reply and (port.network_id, packet.target, packet.source) in self._seen
        made = rules.decide(port, self.world.state(node_id), direction, packet, established=established)
        more = {"id": port.id, "node_id": node_id, "device": device("cmltap", port.id)}
        if not made.passes:
            raise self._stop("security_group", f"{direction}: {made.why}", **more)
        self._pass("security_group", f"{direction}: {made.why}", **more)

    # -- within a network -----------------------------------------------------------------------------------------------

    def _deliver(self, network: NetworkSpec, node_id: str, hop: Address, packet: Packet) -> _Arrival:
        """On a network's own segment, from a node to whoever has the address `hop` there. Raises _Stopped."""
        if network.nat or network.gateway_elsewhere:
            for subnet in network.subnets:
                if subnet.gateway_ip and ipaddress.ip_address(subnet.gateway_ip) == hop:
                    return self._gateway(network, node_id, packet)
        owner = self.world.owner(network.id, hop)
        bridge = device("cmlbr-", network.id)
        if owner is None:
            if network.physical_network:
                return self._uplink(network, node_id, packet)
            raise self._stop(
                "bridge", f"nobody in the network has {hop}", device=bridge, node_id=node_id, id=network.id
            )
        if owner.kind is OwnerKind.DHCP:
            return self._service(network, node_id, packet)
        if owner.kind is OwnerKind.FLOATING and owner.router_id is None:
            raise self._stop("bridge", f"the floating IP {hop} is not associated", id=owner.port_id, node_id=node_id)
        if owner.node_id is None:
            what = (
                f"the router with {hop} is on no node"
                if owner.router_id
                else f"the port with {hop} is plugged in nowhere"
            )
            raise self._stop("bridge", what, device=bridge, node_id=node_id, id=owner.router_id or owner.port_id)
        self._cross(network, node_id, owner.node_id)
        if owner.router_id is not None:
            return self._router(network, owner, packet)
        return self._to_port(network, owner, packet)

    def _cross(self, network: NetworkSpec, here: str, there: str) -> None:
        """From node to node, by the tunnel or by the wire. Raises _Stopped."""
        bridge = device("cmlbr-", network.id)
        if here == there:
            self._pass("bridge", "stays on the node", device=bridge, node_id=here, id=network.id)
            return
        self._alive(there, bridge)
        if network.physical_network:
            self._pass(
                "uplink", f"by the wire of {network.physical_network}", device=bridge, node_id=here, id=network.id
            )
            return
        tunnel = device("cmlvx-", network.id)
        near, far = self.world.node(here), self.world.node(there)
        other = next((each for each in self.world.state(there).networks if each.id == network.id), None)
        if far.address not in network.peers or other is None or near.address not in other.peers:
            raise self._stop(
                "tunnel", "the two nodes are no tunnel peers in this network", detail=f"{near.name} and {far.name}",
                device=tunnel, node_id=here,
            )  # fmt: skip
        self._pass(
            "tunnel", "to another node", detail=f"VXLAN {network.vni} to {far.name}, {far.address}", device=tunnel,
            node_id=here, id=network.id,
        )  # fmt: skip

    def _alive(self, node_id: str, at: str) -> None:
        facts = self.world.node(node_id)
        if facts.trouble:
            what = "a node on the way can't be relied on"
            raise self._stop("node", what, detail=f"{facts.name}: {facts.trouble}", node_id=node_id, device=at)
        if facts.note and node_id not in self._noted:
            self._noted.add(node_id)
            self._pass("node", facts.note, detail=facts.name, node_id=node_id, device=at)

    def _to_port(self, network: NetworkSpec, owner: Owner, packet: Packet) -> _Arrival:
        assert owner.node_id is not None
        state = self.world.state(owner.node_id)
        port = next((each for each in state.ports if each.id == owner.port_id), None)
        more = {"id": owner.port_id, "node_id": owner.node_id, "device": device("cmltap", owner.port_id)}
        if port is None:
            raise self._stop("port", "the node does not have the port", **more)
        if not port.admin_up:
            raise self._stop("port", "the port is switched off (admin state down)", **more)
        self._group(port, owner.node_id, "ingress", packet)
        idle = self.world.idle(port.id)
        if idle:
            raise self._stop("server", idle, **more)
        self._seen.add((network.id, packet.source, packet.target))
        own = rules.holds(port, packet.target)
        what = (
            f"arrives at {port.hostname or 'the port'}"
            if own
            else f"is handed to {port.hostname or 'a port'}, to route on"
        )
        self._pass("server", what + _tagged(port), **more)
        return _Arrival("port" if own else "handed", packet, network.id, owner.node_id, port=port)

    def _is_service(self, network: NetworkSpec, hop: Address) -> bool:
        return hop in METADATA or any(
            each.dhcp_ip and ipaddress.ip_address(each.dhcp_ip) == hop for each in network.subnets
        )

    def _service(self, network: NetworkSpec, node_id: str, packet: Packet) -> _Arrival:
        """DHCP, DNS and metadata of the network, on the node itself."""
        more = {"device": device("cmlns-", network.id), "node_id": node_id, "id": network.id}
        asked = (packet.protocol, packet.low or 0)
        good = (
            asked == (TCP, 80)
            if packet.target in METADATA
            else asked in _SERVICE_PORTS or packet.protocol in (ICMP, ICMPV6)
        )
        near = any(packet.source in ipaddress.ip_network(each.cidr) for each in network.subnets)
        if good and not near and not network.nat:
            raise self._stop("service", f"{packet.target} answers only its own network", **more)
        if not good:
            raise self._stop(
                "service", f"{packet.target} is the network's own DHCP, DNS and metadata, closed for this", **more
            )
        self._pass("service", f"{packet.target} answers on the node itself; no group is asked", **more)
        return _Arrival("service", packet, network.id, node_id)

    def _uplink(self, network: NetworkSpec, node_id: str, packet: Packet) -> _Arrival:
        more = {"device": device("cmlbr-", network.id), "node_id": node_id, "id": network.id}
        self._pass("uplink", f"leaves the cloud by the wire of {network.physical_network}", **more)
        return _Arrival("beyond", packet, network.id, node_id)

    # -- between networks -----------------------------------------------------------------------------------------------

    def _router(self, network: NetworkSpec, owner: Owner, packet: Packet) -> _Arrival:
        assert owner.node_id is not None
        assert owner.router_id is not None
        node_id, state = owner.node_id, self.world.state(owner.node_id)
        router = next((each for each in state.routers if each.id == owner.router_id), None)
        more = {"device": device("cmlrt-", owner.router_id), "node_id": node_id, "id": owner.router_id}
        if router is None:
            raise self._stop("router", "the router is switched off (admin state down), or not on its node", **more)
        came_in = next((each for each in routing.interfaces(router) if each.network_id == network.id), None)
        if came_in is None:
            raise self._stop("router", f"the router has no interface in network {network.id} that is up", **more)
        self._forwarded += 1
        if self._forwarded > MAX_HOPS:
            raise self._stop("router", "it goes round in circles", **more)
        return self._forward(router, came_in, node_id, packet)

    def _forward(self, router: RouterSpec, came_in: RouterInterface, node_id: str, packet: Packet) -> _Arrival:
        """A packet in a router's namespace. Raises _Stopped."""
        more = {"device": device("cmlrt-", router.id), "node_id": node_id, "id": router.id}
        known = next(
            (each for each in self._tracked if packet.reply and each.router_id == router.id and _answers(packet, each)),
            None,
        )
        if known is not None:
            back = answer(known.came)
            moved = replace(packet, source=back.source, target=back.target)
            if moved != packet:
                self._pass(
                    "nat", f"{packet.source} to {packet.target} becomes {moved.source} to {moved.target} again", **more
                )
        else:
            moved = routing.target_translated(router, packet)
            if moved.target != packet.target:
                self._pass("nat", f"{packet.target} stands for {moved.target}", **more)
        if moved.target in routing.own_addresses(router):
            return self._at_router(router, node_id, moved, came_in)
        out = routing.route(router, moved.target)
        if out is None:
            raise self._stop("router", f"the router has no route to {moved.target}", **more)
        was_moved = moved.target != packet.target
        refused = routing.refusal(router, moved, came_in, out, moved=was_moved)
        if refused:
            raise self._stop("router", refused, **more)
        self._pass("router", f"to {moved.target} {out.why}", **more)
        sent = moved if known is not None else routing.source_translated(router, moved, came_in, out, moved=was_moved)
        if sent.source != moved.source:
            self._pass("nat", f"{moved.source} appears as {sent.source}", **more)
        if known is None:
            self._tracked.append(_Tracked(router.id, packet, sent))
        network = self._network(node_id, out.interface.network_id)
        return self._deliver(network, node_id, out.hop, sent)

    def _at_router(self, router: RouterSpec, node_id: str, packet: Packet, came_in: RouterInterface) -> _Arrival:
        more = {"device": device("cmlrt-", router.id), "node_id": node_id, "id": router.id}
        if packet.protocol not in (ICMP, ICMPV6):
            raise self._stop("router", f"{packet.target} is the router's own address, where nothing listens", **more)
        self._pass("router", f"{packet.target} is the router's own address, and answers", **more)
        return _Arrival("router", packet, came_in.network_id, node_id, router=router)

    def _gateway(self, network: NetworkSpec, node_id: str, packet: Packet) -> _Arrival:
        """The node that is the way out of a network with NAT. Raises _Stopped."""
        there = self.world.nat_node()
        bridge = device("cmlbr-", network.id)
        if there is None:
            raise self._stop("gateway", "no node is the way out of networks with NAT", device=bridge, id=network.id)
        self._cross(network, node_id, there)
        more = {"device": bridge, "node_id": there, "id": network.id}
        here = self.world.state(there).networks
        own = {ipaddress.ip_address(s.gateway_ip) for s in network.subnets if s.gateway_ip}
        if packet.target in own:
            if packet.protocol not in (ICMP, ICMPV6) or packet.version == 6:
                raise self._stop("gateway", f"{packet.target} is the gateway itself, which answers only ping", **more)
            self._pass("gateway", f"{packet.target} is the gateway itself, and answers", **more)
            return _Arrival("gateway", packet, network.id, there)
        refused = _kept_in(network, here, packet, self.world.node_addresses())
        if refused:
            raise self._stop("gateway", refused, **more)
        self._pass(
            "gateway",
            "leaves the cloud, bearing the gateway node's address",
            detail=self.world.node(there).name,
            **more,
        )
        return _Arrival("beyond", packet, network.id, there)

    # -- the answer -----------------------------------------------------------------------------------------------------

    def answered(self, arrival: _Arrival) -> _Arrival | None:
        """The way of the answer; None where none is known. Raises _Stopped."""
        self._answering = True
        packet = answer(arrival.packet)
        if arrival.kind in {"handed", "service", "self"}:
            return None
        if arrival.kind == "port" and arrival.port is not None:
            return self.from_port(Start(arrival.port, arrival.node_id), packet)
        if arrival.kind == "router" and arrival.router is not None:
            return self._from_router(arrival.router, arrival, packet)
        network = self._network(arrival.node_id, arrival.network_id)
        return self._deliver(network, arrival.node_id, packet.target, packet)

    def _from_router(self, router: RouterSpec, arrival: _Arrival, packet: Packet) -> _Arrival:
        """What a router says itself: it is not forwarded."""
        out = routing.route(router, packet.target)
        if out is None:
            raise self._stop("router", f"the router has no route back to {packet.target}", id=router.id)
        network = self._network(arrival.node_id, out.interface.network_id)
        return self._deliver(network, arrival.node_id, out.hop, packet)

    def _network(self, node_id: str, network_id: str) -> NetworkSpec:
        found = next((each for each in self.world.state(node_id).networks if each.id == network_id), None)
        if found is None:
            raise self._stop("bridge", "the node does not have the network", id=network_id, node_id=node_id)
        return found


def _tagged(port: PortSpec) -> str:
    """What the guest's card sees of a subport's frames."""
    return f", tagged with VLAN {port.vlan_id} on port {port.trunk_port}" if port.trunk_port else ""


def _answers(packet: Packet, flow: _Tracked) -> bool:
    return (packet.source, packet.target) == (flow.went.target, flow.went.source)


def _addresses(port: PortSpec, version: int) -> list[Address]:
    return [
        each for each in (ipaddress.ip_address(fixed.ip_address) for fixed in port.addresses) if each.version == version
    ]


def _next_hop(network: NetworkSpec, source: Address, target: Address) -> tuple[int, Address, str] | None:
    """(length of the prefix, next hop, why) by the routes that the subnet of `source` gives its hosts."""
    found: list[tuple[int, Address, str]] = []
    for subnet in network.subnets:
        cidr = ipaddress.ip_network(subnet.cidr)
        if source not in cidr:
            continue
        if target in cidr:
            found.append((cidr.prefixlen, target, ""))
        for each in subnet.host_routes:
            far = ipaddress.ip_network(each.destination)
            if target in far:
                found.append(
                    (
                        far.prefixlen,
                        ipaddress.ip_address(each.nexthop),
                        f"by the subnet's host route to {far}, through {each.nexthop}",
                    )
                )
        if subnet.gateway_ip:
            found.append((0, ipaddress.ip_address(subnet.gateway_ip), f"by the subnet's gateway, {subnet.gateway_ip}"))
    return max(found, key=lambda each: each[0], default=None)


def _kept_in(network: NetworkSpec, here: Sequence[NetworkSpec], packet: Packet, machines: Sequence[Address]) -> str:
    """Why the gateway lets a packet not leave; "" when it does (chain `leaving` of compute_agent/networking/filters.py)."""
    if packet.version == 6:
        return "IPv6 does not leave by a gateway with NAT"
    if packet.target in routing.LINK_LOCAL:
        return "link-local addresses do not leave a network"
    if not any(s.gateway_ip and packet.source in ipaddress.ip_network(s.cidr) for s in network.subnets):
        return f"{packet.source} is none of the network's addresses, and so not translated"
    for other in here:
        if (
            other.id != network.id
            and other.nat
            and any(packet.target in ipaddress.ip_network(s.cidr) for s in other.subnets)
        ):
            return f"{packet.target} is in another network with NAT, which this one is kept apart from"
    if packet.target in machines:
        return "the cloud's own machines are closed to servers"
    return ""
