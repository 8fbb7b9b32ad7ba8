"""What a router does with a packet: translations and routes, as compute_agent/networking/router_tables.py writes them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, replace

from api.cumulet.trace.model import Address, Packet
from common.filter_rules import WITH_PORTS
from common.rpc.routers_v1 import RouterInterface, RouterSpec

LINK_LOCAL = ipaddress.ip_network("169.254.0.0/16")


@dataclass(frozen=True)
class Out:
    """Where a packet leaves a router. hop: whom it is given to there."""

    interface: RouterInterface
    hop: Address
    why: str


def interfaces(router: RouterSpec) -> list[RouterInterface]:
    return [*router.interfaces, *([router.gateway] if router.gateway else [])]


def own_addresses(router: RouterSpec) -> set[Address]:
    """Its interfaces', and the floating ones it answers for."""
    own = {ipaddress.ip_interface(each).ip for interface in interfaces(router) for each in interface.addresses}
    if router.gateway is None:
        return own
    own |= {ipaddress.ip_address(each.address) for each in router.floating}
    return own | {ipaddress.ip_address(each.address) for each in router.forwarded}


def target_translated(router: RouterSpec, packet: Packet) -> Packet:
    """After the translation of its target, if there is one. IPv6 is never translated."""
    if router.gateway is None or packet.version == 6:
        return packet
    name = WITH_PORTS.get(packet.protocol)
    for each in router.forwarded:
        if each.protocol == name and each.port == packet.low and ipaddress.ip_address(each.address) == packet.target:
            inside = ipaddress.ip_address(each.fixed_address)
            return replace(packet, target=inside, low=each.fixed_port, high=each.fixed_port)
    for pair in router.floating:
        if ipaddress.ip_address(pair.address) == packet.target:
            return replace(packet, target=ipaddress.ip_address(pair.fixed_address))
    return packet


def source_translated(router: RouterSpec, packet: Packet, came_in: RouterInterface, out: Out, *, moved: bool) -> Packet:
    """After the translation of its source. moved: its target was translated."""
    outside = router.gateway
    leaves = out.interface is outside
    if outside is None or packet.version == 6 or came_in is outside or not (leaves or moved):
        return packet
    for pair in router.floating:
        if ipaddress.ip_address(pair.fixed_address) == packet.source:
            return replace(packet, source=ipaddress.ip_address(pair.address))
    own = next((each.split("/")[0] for each in outside.addresses if ":" not in each), None)
    if own is None or (leaves and not router.source_nat):
        return packet
    return replace(packet, source=ipaddress.ip_address(own))


def refusal(router: RouterSpec, packet: Packet, came_in: RouterInterface, out: Out, *, moved: bool) -> str:
    """Why the router does not forward it; "" when it does."""
    if packet.target in LINK_LOCAL:
        return "link-local addresses are never routed"
    if router.gateway is None:
        return ""
    if came_in is router.gateway and out.interface is router.gateway:
        return "it would go back to the outside"
    if not router.source_nat or packet.version == 6 or moved or packet.reply:
        return ""
    if came_in is router.gateway:
        return "with source NAT on, nobody outside reaches a fixed address that no floating one leads to"
    return ""


def route(router: RouterSpec, target: Address) -> Out | None:
    """The way out for a target, by the longest prefix; None when there is none."""
    found = [*_connected(router), *_static(router), *_defaults(router)]
    matching = [(network.prefixlen, order, out) for order, (network, out) in enumerate(found) if target in network]
    if not matching:
        return None
    _, _, best = max(matching, key=lambda each: (each[0], -each[1]))
    return best if best.hop is not _ONLINK[best.hop.version] else replace(best, hop=target)


_ONLINK: dict[int, Address] = {4: ipaddress.ip_address("0.0.0.0"), 6: ipaddress.ip_address("::")}
Known = tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, Out]


def _connected(router: RouterSpec) -> Iterable[Known]:
    for interface in interfaces(router):
        for text in interface.addresses:
            network = ipaddress.ip_interface(text).network
            yield network, Out(interface, _ONLINK[network.version], f"{network} is on its interface")


def _static(router: RouterSpec) -> Iterable[Known]:
    for each in router.routes:
        network, hop = ipaddress.ip_network(each.destination), ipaddress.ip_address(each.nexthop)
        interface = _towards(router, hop)
        if interface is not None:
            yield network, Out(interface, hop, f"by its route to {network} through {hop}")


def _defaults(router: RouterSpec) -> Iterable[Known]:
    given = {each.destination for each in router.routes}
    for text in router.gateway_ips:
        hop = ipaddress.ip_address(text)
        whole = "0.0.0.0/0" if hop.version == 4 else "::/0"
        if router.gateway is not None and whole not in given:
            yield ipaddress.ip_network(whole), Out(router.gateway, hop, f"by its gateway, {hop}")


def _towards(router: RouterSpec, hop: Address) -> RouterInterface | None:
    for interface in interfaces(router):
        if any(hop in ipaddress.ip_interface(each).network for each in interface.addresses):
            return interface
    return None
