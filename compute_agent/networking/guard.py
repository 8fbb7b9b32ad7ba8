"""Table `bridge cmlguard`: what may enter from a port at all, before any bridge learns from it (NET-01, NET-02).

Each frame from a guest's tap must come from the port's MAC and addresses, in IPv4, IPv6, ARP and neighbour discovery;
nobody but the network's own namespace answers DHCP or advertises routers. Frames get a mark that tells the `inet`
table, where conntrack works but ports can't be seen, the two ends: source index in the upper half, destination index
in the lower (this kernel family has no `ct` in bridge tables).

A tap without a known port sends and receives nothing. Tunnels carry guests' frames, and on the gateway's node the
gateway's: every node has a namespace with the same MAC and addresses for DHCP, DNS and metadata, which must never meet
another node's, so that what is from it or for it stays on the node. Behind an uplink, a physical interface that is part
of an external network, is the world: nothing of it is checked, as all that guests send has passed their own port.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Any

from compute_agent.networking import local_ips, names
from compute_agent.networking.nft_tree import (
    ACCEPT,
    DROP,
    Network,
    Table,
    Tree,
    concat,
    goto,
    masked,
    match,
    meta,
    one_of,
    payload,
    prefix,
    raw_payload,
    set_mark,
    vmap,
)  # fmt: skip
from compute_agent.networking.plan import FilterPlan, FilterPort

NAME = "cmlguard"
SOURCE_MASK = 0xFFFF0000
TARGET_MASK = 0x0000FFFF
NAMESPACE_INDEX = 0xFFFE  # the network's own namespace: DHCP, DNS, metadata
TUNNEL_INDEX = 0xFFFD  # a guest on another node, whose filters have seen the frame
MAX_INDEX = 0xFF00

BEFORE_ALL = -300
BEFORE_BR_NETFILTER = -10  # br_netfilter calls the inet hooks at 0

METADATA_ADDRESS, METADATA_ADDRESS6 = "169.254.169.254", "fe80::a9fe:a9fe"
DHCP_SERVERS = [67, 547]
ROUTER_ADVERTISEMENT, REDIRECT, SOLICITATION, ADVERTISEMENT = 134, 137, 135, 136
UNSPECIFIED_TYPES = [131, 133, 143]  # MLD reports and router solicitation may come from ::
VLAN_TAGS = ["8021q", "8021ad"]
ND_TARGET = raw_payload("th", 64, 128)  # target address of a solicitation or advertisement


def build(plan: FilterPlan) -> Table:
    table = Table("bridge", NAME)
    _sets(table, plan)
    _from_ports(table)
    _from_tunnel(table)
    _arp(table)
    _ipv4(table)
    _ipv6(table, plan.ports)
    _to_tunnel(table)
    _to_ports(table, plan.ports)
    _host_side(table)
    local_ips.lead_to_ports(table, plan)
    return table


def _sets(table: Table, plan: FilterPlan) -> None:
    guarded = [port for port in plan.ports if not port.open]
    table.set("taps", "ifname", [port.tap for port in plan.ports])
    table.set("open_taps", "ifname", [port.tap for port in plan.ports if port.open])
    table.set("namespaces", "ifname", [network.veth for network in plan.networks])
    table.set("uplinks", "ifname", [network.uplink for network in plan.networks if network.uplink])
    _tunnel_sets(table, plan)
    table.map("sources", "ifname", "mark", [[port.tap, port.index << 16] for port in plan.ports])
    table.set("macs", ["ifname", "ether_addr"], [concat(port.tap, mac) for port in guarded for mac in port.macs])
    for version, kind in ((4, "ipv4_addr"), (6, "ipv6_addr")):
        pairs = [(port.tap, mac, each) for port in guarded for mac, each in port.sources if each.version == version]
        key = ["ifname", "ether_addr", kind]
        table.set(f"addresses{version}", key, [_element(pair) for pair in pairs if _single(pair[2])])
        table.set(f"ranges{version}", key, [_element(pair) for pair in pairs if not _single(pair[2])], interval=True)


def _tunnel_sets(table: Table, plan: FilterPlan) -> None:
    """By tunnel: `service_*`, which every node has for itself, are never spoken to through it; `own_*`, with a gateway
    that is here, never come out of it; `reserved_*`, with a gateway wherever it is, are nobody's to send into it.
    """
    table.set("tunnels", "ifname", [network.tunnel for network in plan.networks])
    table.set("transparent_tunnels", "ifname", [network.tunnel for network in plan.networks if network.transparent])
    table.set("gateway_tunnels", "ifname", [network.tunnel for network in plan.networks if network.gateways])
    routers = [concat(net.tunnel, mac) for net in plan.networks for mac in net.router_macs]
    table.set("router_macs", ["ifname", "ether_addr"], routers)
    macs = [(net.tunnel, net.service_mac) for net in plan.networks]
    here = [(net.tunnel, net.gateway_mac) for net in plan.networks if net.gateways]
    anywhere = [(net.tunnel, net.gateway_mac) for net in plan.networks if net.gateway_addresses]
    for name, pairs in (("service", macs), ("own", macs + here), ("reserved", macs + anywhere)):
        table.set(f"{name}_macs", ["ifname", "ether_addr"], [concat(*each) for each in pairs])
    addresses = [(net.tunnel, str(each)) for net in plan.networks for each in net.services if each.version == 4]
    tunnels = {net.bridge: net.tunnel for net in plan.networks}
    addresses += [(tunnels[each.port.bridge], str(each.address)) for each in local_ips.chosen(plan)]
    addresses += [(net.tunnel, METADATA_ADDRESS) for net in plan.networks]
    here = [(net.tunnel, each) for net in plan.networks for each in net.gateways]
    anywhere = [(net.tunnel, each) for net in plan.networks for each in net.gateway_addresses]
    for name, pairs in (("service", addresses), ("own", addresses + here), ("reserved", addresses + anywhere)):
        table.set(f"{name}_addresses", ["ifname", "ipv4_addr"], [concat(*each) for each in pairs])


def _from_ports(table: Table) -> None:
    """Everything that enters a bridge. Devices that are not Cumulet's are none of our business."""
    table.base_chain("prerouting", kind="filter", hook="prerouting", priority=BEFORE_ALL)
    for chain in ("arp", "ipv4", "ipv6", "from_tunnel", "tunnelled"):
        table.chain(chain)
    iif = meta("iifname")
    table.rule("prerouting", match(iif, "@uplinks"), set_mark(TUNNEL_INDEX << 16), ACCEPT)
    table.rule("prerouting", match(iif, names.ALL_DEVICES, "!="), ACCEPT)
    table.rule("prerouting", match(iif, "@namespaces"), set_mark(NAMESPACE_INDEX << 16), ACCEPT)
    table.rule("prerouting", match(iif, "@tunnels"), goto("from_tunnel"))
    table.rule("prerouting", match(iif, "@taps", "!="), DROP)
    table.rule("prerouting", set_mark({"map": {"key": iif, "data": "@sources"}}))
    table.rule("prerouting", match(iif, "@open_taps"), ACCEPT)
    table.rule("prerouting", match(concat(iif, payload("ether", "saddr")), "@macs", "!="), DROP)
    # `ether type` reads the frame itself, so that a VLAN tag is seen as such, also when the kernel has set it aside.
    by_type = [["arp", goto("arp")], ["ip", goto("ipv4")], ["ip6", goto("ipv6")]]
    table.rule("prerouting", vmap(payload("ether", "type"), {"set": by_type}))
    table.rule("prerouting", DROP)


def _from_tunnel(table: Table) -> None:
    """A guest's frame from another node, whose guard has checked it; none that claims or seeks what is this node's."""
    chain, iif = "from_tunnel", meta("iifname")
    table.rule(chain, match(concat(iif, payload("ether", "saddr")), "@own_macs"), DROP)
    table.rule(chain, match(concat(iif, payload("ether", "daddr")), "@service_macs"), DROP)
    table.rule(chain, match(concat(iif, payload("arp", "saddr ip")), "@own_addresses"), DROP)
    table.rule(chain, match(concat(iif, payload("arp", "daddr ip")), "@service_addresses"), DROP)
    table.rule(chain, match(concat(iif, payload("ip", "saddr")), "@own_addresses"), DROP)
    for side in ("sport", "dport"):
        table.rule(chain, one_of(payload("udp", side), DHCP_SERVERS), DROP)
    _nobodys_metadata(table, chain)
    advertised = match(payload("icmpv6", "type"), ROUTER_ADVERTISEMENT)
    table.rule(chain, match(concat(iif, payload("ether", "saddr")), "@router_macs"), advertised, goto("tunnelled"))
    table.rule(chain, one_of(payload("icmpv6", "type"), [ROUTER_ADVERTISEMENT, REDIRECT]), DROP)
    by_type = [[kind, goto("tunnelled")] for kind in ("arp", "ip", "ip6")]
    table.rule(chain, vmap(payload("ether", "type"), {"set": by_type}))
    tagged = one_of(payload("ether", "type"), VLAN_TAGS)
    table.rule(chain, match(iif, "@transparent_tunnels"), tagged, goto("tunnelled"))
    table.rule(chain, DROP)
    table.rule("tunnelled", set_mark(TUNNEL_INDEX << 16), ACCEPT)


def _nobodys_metadata(table: Table, chain: str) -> None:
    """Every node has the IPv6 metadata service's address for itself: none is it for another's guests."""
    target = match(ND_TARGET, str(int(ipaddress.IPv6Address(METADATA_ADDRESS6))))
    table.rule(chain, match(payload("icmpv6", "type"), ADVERTISEMENT), target, DROP)
    for side in ("saddr", "daddr"):
        table.rule(chain, match(payload("ip6", side), METADATA_ADDRESS6), DROP)


def _arp(table: Table) -> None:
    iif, sender = meta("iifname"), payload("arp", "saddr ether")
    for name in ("@addresses4", "@ranges4"):
        table.rule("arp", match(concat(iif, sender, payload("arp", "saddr ip")), name), ACCEPT)
    probe = [match(payload("arp", "operation"), "request"), match(payload("arp", "saddr ip"), "0.0.0.0")]
    table.rule("arp", *probe, match(concat(iif, sender), "@macs"), ACCEPT)
    table.rule("arp", DROP)


def _ipv4(table: Table) -> None:
    source = concat(meta("iifname"), payload("ether", "saddr"), payload("ip", "saddr"))
    table.rule("ipv4", match(payload("udp", "sport"), 67), DROP)
    table.rule(
        "ipv4",
        match(payload("ip", "saddr"), "0.0.0.0"),
        match(payload("ip", "daddr"), "255.255.255.255"),
        match(payload("udp", "sport"), 68),
        match(payload("udp", "dport"), 67),
        ACCEPT,
    )
    table.rule("ipv4", match(source, "@addresses4"), ACCEPT)
    table.rule("ipv4", match(source, "@ranges4"), ACCEPT)
    table.rule("ipv4", DROP)


def _ipv6(table: Table, ports: Sequence[FilterPort]) -> None:
    """Neighbour discovery is checked by what it says too: the target of an advertisement, or of a probe from ::."""
    iif, kind = meta("iifname"), payload("icmpv6", "type")
    source = concat(iif, payload("ether", "saddr"), payload("ip6", "saddr"))
    unspecified = match(payload("ip6", "saddr"), "::")
    table.chain("ipv6_source")
    table.chain("target")
    table.rule("ipv6", one_of(kind, [ROUTER_ADVERTISEMENT, REDIRECT]), DROP)
    table.rule("ipv6", match(payload("udp", "sport"), 547), DROP)
    table.rule("ipv6", match(kind, SOLICITATION), unspecified, goto("target"))
    table.rule("ipv6", one_of(kind, UNSPECIFIED_TYPES), unspecified, ACCEPT)
    # nft has no name for the target field and compares it as a number, for which a named set has no type.
    targets = [port for port in ports if not port.open]
    exact = [concat(port.tap, _number(each)) for port in targets for _, each in port.sources if _is_target(each)]
    if exact:
        table.rule("target", one_of(concat(iif, ND_TARGET), _unique(exact)), goto("ipv6_source"))
    for tap, wide in [(port.tap, each) for port in targets for _, each in port.sources if _is_target_range(each)]:
        span = {"range": [str(int(wide.network_address)), str(int(wide.broadcast_address))]}
        table.rule("target", match(iif, tap), match(ND_TARGET, span), goto("ipv6_source"))
    table.rule("target", DROP)
    table.rule("ipv6", match(kind, ADVERTISEMENT), goto("target"))
    table.rule("ipv6", goto("ipv6_source"))
    table.rule("ipv6_source", match(source, "@addresses6"), ACCEPT)
    table.rule("ipv6_source", match(source, "@ranges6"), ACCEPT)
    table.rule("ipv6_source", match(kind, SOLICITATION), unspecified, ACCEPT)  # its target was checked above
    table.rule("ipv6_source", DROP)


def _to_ports(table: Table, ports: Sequence[FilterPort]) -> None:
    """Between two ports of a bridge: stamp the destination; keep strange devices and unknown taps apart from guests."""
    table.base_chain("forward", kind="filter", hook="forward", priority=BEFORE_BR_NETFILTER)
    iif, oif = meta("iifname"), meta("oifname")
    strange_in = [match(iif, names.ALL_DEVICES, "!="), match(iif, "@uplinks", "!=")]
    strange_out = [match(oif, names.ALL_DEVICES, "!="), match(oif, "@uplinks", "!=")]
    table.rule("forward", *strange_in, *strange_out, ACCEPT)
    table.rule("forward", *strange_in, DROP)
    for outwards in ("@tunnels", "@uplinks"):
        table.rule("forward", match(iif, "@namespaces"), match(oif, outwards), DROP)
    table.rule("forward", match(iif, "@uplinks"), match(oif, "@namespaces"), DROP)
    table.rule("forward", match(iif, "@tunnels"), match(oif, "@namespaces"), DROP)
    table.rule("forward", match(oif, "@namespaces"), _stamp(NAMESPACE_INDEX), ACCEPT)
    table.rule("forward", match(oif, "@tunnels"), goto("to_tunnel"))
    table.rule("forward", match(oif, "@uplinks"), _stamp(TUNNEL_INDEX), ACCEPT)
    for port in ports:
        table.chain(f"to_{port.index}")
        table.rule(f"to_{port.index}", _stamp(port.index), ACCEPT)
    table.map("targets", "ifname", "verdict", [[port.tap, goto(f"to_{port.index}")] for port in ports])
    table.rule("forward", vmap(oif, "@targets"))
    table.rule("forward", DROP)


def _to_tunnel(table: Table) -> None:
    """From a guest to all other nodes; what it asks of DHCP and metadata is for its own node's alone.

    Even a port without port security is not the gateway of guests elsewhere.
    """
    chain, oif = "to_tunnel", meta("oifname")
    table.chain(chain)
    table.rule(chain, match(concat(oif, payload("ether", "daddr")), "@service_macs"), DROP)
    table.rule(chain, match(concat(oif, payload("arp", "daddr ip")), "@service_addresses"), DROP)
    table.rule(chain, one_of(payload("udp", "dport"), DHCP_SERVERS), DROP)
    _nobodys_metadata(table, chain)
    table.rule(chain, match(concat(oif, payload("ether", "saddr")), "@reserved_macs"), DROP)
    table.rule(chain, match(concat(oif, payload("arp", "saddr ip")), "@reserved_addresses"), DROP)
    table.rule(chain, match(concat(oif, payload("ip", "saddr")), "@reserved_addresses"), DROP)
    table.rule(chain, _stamp(TUNNEL_INDEX), ACCEPT)


def _host_side(table: Table) -> None:
    """Between the node itself and its bridges. Only a gateway speaks through tunnels.

    Table `inet` has told what it routes to another node (marked as for the tunnel) from what is for a port here.
    """
    table.base_chain("input", kind="filter", hook="input", priority=BEFORE_BR_NETFILTER)
    iif, oif = meta("iifname"), meta("oifname")
    # Frames to 01:80:c2:00:00:0x skip prerouting and reach the host on the tap itself.
    reserved = {"range": ["01:80:c2:00:00:00", "01:80:c2:00:00:0f"]}
    table.rule("input", match(iif, names.ALL_TAPS), match(payload("ether", "daddr"), reserved), DROP)
    table.rule("input", match(iif, "@tunnels"), match(iif, "@gateway_tunnels", "!="), DROP)
    table.base_chain("output", kind="filter", hook="output", priority=BEFORE_BR_NETFILTER)
    table.chain("host_to_tunnel")
    for_tunnel = match(masked(meta("mark"), TARGET_MASK), TUNNEL_INDEX)
    table.rule("host_to_tunnel", match(oif, "@gateway_tunnels", "!="), DROP)
    table.rule("host_to_tunnel", match(concat(oif, payload("arp", "daddr ip")), "@service_addresses"), DROP)
    table.rule("host_to_tunnel", match(payload("ether", "type"), "arp"), ACCEPT)
    table.rule("host_to_tunnel", for_tunnel, ACCEPT)
    table.rule("host_to_tunnel", DROP)
    table.rule("output", match(oif, "@tunnels"), goto("host_to_tunnel"))
    table.rule("output", match(oif, names.ALL_DEVICES), for_tunnel, DROP)
    table.rule("output", match(oif, names.ALL_TAPS), match(oif, "@taps", "!="), DROP)


def _stamp(index: int) -> Tree:
    return set_mark({"|": [masked(meta("mark"), SOURCE_MASK), index]})


def _element(pair: tuple[str, str, Network]) -> Tree:
    return concat(pair[0], pair[1], prefix(pair[2]))


def _single(network: Network) -> bool:
    return network.prefixlen == network.max_prefixlen


def _is_target(network: Network) -> bool:
    return network.version == 6 and _single(network)


def _is_target_range(network: Network) -> bool:
    return network.version == 6 and not _single(network)


def _number(network: Network) -> str:
    return str(int(network.network_address))


def _unique(elements: list[Tree]) -> list[Any]:
    return list({str(each): each for each in elements}.values())
