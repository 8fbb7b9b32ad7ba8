"""Tables `inet cmlfilter` and `ip cmlnat`: stateful security groups, what may cross the node, and source NAT.

Pure: a plan in, nft's JSON out; nft.py applies it. The guard (guard.py) has checked every guest's addresses and put
the two ends of a bridged packet into its mark, source index above destination index; br_netfilter hands bridged
packets to this family. Packets that are routed or made by the node carry no destination index and find their port
by bridge and address.

The order of a packet from a bridge: `from_bridge` (what no rule can allow), `source` (the sender's egress rules),
`target` (the receiver's ingress rules). Neutron's semantics: rules only accept, no rule means drop; DHCP, DNS and
metadata of the network's own namespace and neighbour discovery are always allowed.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable

from common.filter_rules import Accept
from compute_agent.networking import filter_logs, guard, limits, local_ips, names
from compute_agent.networking.filter_logs import Verdicts
from compute_agent.networking.guard import (
    METADATA_ADDRESS,
    METADATA_ADDRESS6,
    NAMESPACE_INDEX,
    SOURCE_MASK,
    TARGET_MASK,
    TUNNEL_INDEX,
)
from compute_agent.networking.nft_tree import (
    ACCEPT,
    DROP,
    RETURN,
    Table,
    Tree,
    concat,
    ct,
    goto,
    jump,
    masked,
    match,
    meta,
    one_of,
    payload,
    prefix,
    set_mark,
    vmap,
)  # fmt: skip
from compute_agent.networking.plan import FilterPlan, FilterPort
from compute_agent.networking.rules import expressions

FILTER = "cmlfilter"
NAT = "cmlnat"
TABLES = (("bridge", guard.NAME), ("bridge", limits.NAME), ("inet", FILTER), ("ip", NAT))

RAW = -300
FILTERING = 0
SOURCE_NAT = 100

TUNNEL_PORT = 4789
LINK_LOCAL = {"prefix": {"addr": "169.254.0.0", "len": 16}}
# Multicast listener, router and neighbour solicitation, neighbour advertisement; what these say, the guard has checked.
DISCOVERY_TYPES = [130, 131, 132, 133, 135, 136, 143]
ROUTER_TYPES = [134, 137]

ESTABLISHED = match(ct("state"), ["established", "related"], "in")
INVALID = match(ct("state"), "invalid", "in")
NEW = match(ct("state"), "new", "in")
# Conntrack would take up a TCP connection in its middle. After a flow is cut because its rule went, the other side's
# next segment must not open it again by an egress rule, so that a new connection has to begin with SYN.
NOT_SYN = match(masked(payload("tcp", "flags"), ["fin", "syn", "rst", "ack"]), "syn", "!=")  # type: ignore[arg-type]
IIF, OIF = meta("iifname"), meta("oifname")
FROM_BRIDGE, TO_BRIDGE = match(IIF, names.ALL_BRIDGES), match(OIF, names.ALL_BRIDGES)
NOT_TO_BRIDGE = match(OIF, names.ALL_BRIDGES, "!=")
SOURCE, TARGET = masked(meta("mark"), SOURCE_MASK), masked(meta("mark"), TARGET_MASK)
FROM_NAMESPACE = match(SOURCE, NAMESPACE_INDEX << 16)
ICMPV6_TYPE = payload("icmpv6", "type")


def build(plan: FilterPlan) -> list[Table]:
    """All tables, which belong together: nft.replace applies them in one transaction."""
    return [guard.build(plan), limits.build(plan.ports), _filter_table(plan), _nat_table(plan)]


def _filter_table(plan: FilterPlan) -> Table:
    table = Table("inet", FILTER)
    _sets(table, plan)
    _before_conntrack(table, plan)
    _hooks(table)
    _from_bridge(table)
    _namespace(table)
    _port_chains(table, plan.ports)
    _source_and_target(table, plan.ports)
    _routed(table, plan.ports)
    local_ips.answer_as_asked(table, plan)
    return table


def _sets(table: Table, plan: FilterPlan) -> None:
    table.set("same_bridge", ["ifname", "ifname"], [concat(each.bridge, each.bridge) for each in plan.networks])
    table.set("gateway_bridges", "ifname", [each.bridge for each in plan.networks if each.gateways])
    gateways = [concat(each.bridge, address) for each in plan.networks for address in each.gateways]
    table.set("gateways", ["ifname", "ipv4_addr"], gateways)
    spanning = [each.bridge for each in plan.networks if each.gateways and each.peers]
    table.set("spanning_bridges", "ifname", spanning)
    table.set("translated", "ipv4_addr", _ranges(plan), interval=True)
    table.set("underlay", "ipv4_addr", [_prefix(each) for each in plan.surroundings.underlay], interval=True)
    table.set("resolvers", "ipv4_addr", list(plan.surroundings.resolvers))
    services = [concat(net.bridge, str(each)) for net in plan.networks for each in net.services if each.version == 4]
    table.set("services", ["ifname", "ipv4_addr"], services)
    table.set("router_marks", "mark", _router_marks(plan))
    peers = sorted({peer for network in plan.networks for peer in network.peers})
    table.set("peers", "ipv4_addr", peers)
    for group_id, ranges in plan.groups.items():
        for version, kind in ((4, "ipv4_addr"), (6, "ipv6_addr")):
            members = [prefix(each) for each in ranges if each.version == version]
            table.set(names.group_set(group_id, version), kind, members, interval=True)


def _router_marks(plan: FilterPlan) -> list[int]:
    """Sources that may advertise themselves as routers: the routers of this node, and what comes out of tunnels."""
    routers = {(net.bridge, mac) for net in plan.networks for mac in net.router_macs}
    here = [
        port.index << 16 for port in plan.ports if port.open and routers & {(port.bridge, mac) for mac in port.macs}
    ]
    return [TUNNEL_INDEX << 16, *here]


def _before_conntrack(table: Table, plan: FilterPlan) -> None:
    table.base_chain("prerouting", kind="filter", hook="prerouting", priority=RAW)
    table.rule("prerouting", match(IIF, names.ALL_TAPS), DROP)  # bridged packets come in by the bridge, never by a tap
    zones = [[network.bridge, network.zone] for network in plan.networks if network.zone]
    if zones:
        table.rule(
            "prerouting", {"mangle": {"key": ct("zone"), "value": {"map": {"key": IIF, "data": {"set": zones}}}}}
        )


def _hooks(table: Table) -> None:
    for chain in ("from_bridge", "to_bridge", "source", "target", "routed", "leaving", "from_namespace"):
        table.chain(chain)
    table.chain("to_namespace")
    table.base_chain("forward", kind="filter", hook="forward", priority=FILTERING)
    table.rule("forward", FROM_BRIDGE, goto("from_bridge"))
    table.rule("forward", TO_BRIDGE, goto("to_bridge"))
    table.rule("to_bridge", match(payload("ip", "saddr"), "@translated"), DROP)  # a guest's address from elsewhere
    table.rule("to_bridge", goto("routed"))

    table.base_chain("output", kind="filter", hook="output", priority=FILTERING)
    table.rule("output", TO_BRIDGE, goto("routed"))
    # What a tap has to say for itself (multicast listeners, neighbour discovery) is not for the guest behind it.
    table.rule("output", match(OIF, names.ALL_DEVICES), DROP)

    table.base_chain("input", kind="filter", hook="input", priority=FILTERING)
    encapsulated = match(payload("udp", "dport"), TUNNEL_PORT)
    table.rule("input", encapsulated, match(payload("ip", "saddr"), "@peers", "!="), DROP)
    table.rule("input", match(IIF, names.ALL_DEVICES, "!="), ACCEPT)
    table.rule("input", ESTABLISHED, ACCEPT)
    echo = [match(concat(IIF, payload("ip", "daddr")), "@gateways"), match(payload("icmp", "type"), 8)]
    table.rule("input", *echo, ACCEPT)
    for protocol in ("udp", "tcp"):  # the namespace's resolver may ask one that runs on the node
        table.rule("input", FROM_NAMESPACE, match(payload(protocol, "dport"), 53), ACCEPT)
    table.rule("input", DROP)


def _from_bridge(table: Table) -> None:
    chain = "from_bridge"
    table.rule(chain, match(SOURCE, 0), DROP)  # a device that is neither a port, a namespace nor a tunnel
    table.rule(chain, TO_BRIDGE, match(concat(IIF, OIF), "@same_bridge", "!="), DROP)
    table.rule(chain, NOT_TO_BRIDGE, jump("leaving"))
    table.rule(chain, FROM_NAMESPACE, goto("from_namespace"))
    table.rule(chain, match(TARGET, NAMESPACE_INDEX), goto("to_namespace"))
    table.rule(chain, one_of(ICMPV6_TYPE, DISCOVERY_TYPES), ACCEPT)
    # The guard lets advertisements of routers alone out of a tunnel.
    table.rule(chain, match(SOURCE, "@router_marks"), match(ICMPV6_TYPE, guard.ROUTER_ADVERTISEMENT), ACCEPT)
    table.rule(chain, goto("source"))

    # Only what will be translated may leave; never to link-local addresses, and nothing that another node would
    # take for one of our tunnels.
    table.rule("leaving", match(IIF, "@gateway_bridges", "!="), DROP)
    table.rule("leaving", match(meta("nfproto"), "ipv6"), DROP)
    table.rule("leaving", match(payload("ip", "daddr"), LINK_LOCAL), DROP)
    table.rule("leaving", match(payload("ip", "saddr"), "@translated", "!="), DROP)
    table.rule("leaving", match(payload("udp", "dport"), TUNNEL_PORT), DROP)
    for protocol in ("udp", "tcp"):
        table.rule(
            "leaving", match(payload("ip", "daddr"), "@resolvers"), match(payload(protocol, "dport"), 53), RETURN
        )
    table.rule("leaving", match(payload("ip", "daddr"), "@underlay"), DROP)


def _namespace(table: Table) -> None:
    """The network's own DHCP, DNS and metadata, which no security group can take away or widen."""
    chain = "from_namespace"
    table.rule(chain, ESTABLISHED, ACCEPT)
    table.rule(chain, match(payload("udp", "sport"), 67), match(payload("udp", "dport"), 68), ACCEPT)
    table.rule(chain, match(payload("udp", "sport"), 547), match(payload("udp", "dport"), 546), ACCEPT)
    table.rule(chain, one_of(ICMPV6_TYPE, [*DISCOVERY_TYPES, 134]), ACCEPT)
    for protocol in ("udp", "tcp"):
        table.rule(chain, NOT_TO_BRIDGE, match(payload(protocol, "dport"), 53), ACCEPT)
    table.rule(chain, DROP)

    chain = "to_namespace"
    table.rule(chain, ESTABLISHED, ACCEPT)
    for family, address in (("ip", METADATA_ADDRESS), ("ip6", METADATA_ADDRESS6)):
        table.rule(chain, match(payload(family, "daddr"), address), match(payload("tcp", "dport"), 80), ACCEPT)
    table.rule(chain, one_of(payload("udp", "dport"), [53, 67, 547]), ACCEPT)
    table.rule(chain, match(payload("tcp", "dport"), 53), ACCEPT)
    table.rule(chain, match(payload("icmp", "type"), 8), ACCEPT)
    table.rule(chain, one_of(ICMPV6_TYPE, [128, *DISCOVERY_TYPES]), ACCEPT)
    table.rule(chain, DROP)


def _port_chains(table: Table, ports: Iterable[FilterPort]) -> None:
    """One chain per distinct list of rules: ports with the same groups share theirs, unless they are logged."""
    written: set[str] = set()
    for port in ports:
        for direction, accepts, verdict in (
            ("egress", port.egress, goto("target")),
            ("ingress", port.ingress, ACCEPT),
        ):
            name = _chain_of(port, direction)
            if name in written:
                continue
            written.add(name)
            verdicts = filter_logs.verdicts(table, port, direction, verdict)
            table.chain(name)
            if direction == "egress":  # the guard can't see into fragments, which are whole again here
                table.rule(name, one_of(ICMPV6_TYPE, ROUTER_TYPES), DROP)
            if accepts is not None:
                _accepting_rules(table, name, direction, accepts, verdicts, stateful=port.stateful)
            table.rule(name, verdicts.drop)


def _accepting_rules(
    table: Table, name: str, direction: str, accepts: Iterable[Accept], verdicts: Verdicts, *, stateful: bool
) -> None:
    if stateful:
        table.rule(name, ESTABLISHED, verdicts.accept)
        table.rule(name, INVALID, verdicts.drop)
        table.rule(name, NEW, NOT_SYN, verdicts.drop)
    for accept in accepts:
        *matches, _ = expressions(accept, direction)
        table.rule(name, *matches, verdicts.by_rule.get(accept, verdicts.accept))


def _source_and_target(table: Table, ports: Iterable[FilterPort]) -> None:
    sources: list[list[object]] = [[TUNNEL_INDEX << 16, goto("target")]]
    targets: list[list[object]] = [[TUNNEL_INDEX, ACCEPT]]
    for port in ports:
        egress = goto("target") if port.open else goto(_chain_of(port, "egress"))
        sources.append([port.index << 16, egress])
        targets.append([port.index, _ingress(port)])
    table.map("sources", "mark", "verdict", sources)
    table.map("targets", "mark", "verdict", targets)
    table.rule("source", vmap(SOURCE, "@sources"))
    table.rule("source", DROP)
    table.rule("target", vmap(TARGET, "@targets"))
    table.rule("target", match(TARGET, 0, "!="), DROP)
    table.rule("target", TO_BRIDGE, goto("routed"))
    table.rule("target", ACCEPT)  # on its way out; `leaving` has looked at it


def _routed(table: Table, ports: Iterable[FilterPort]) -> None:
    """To a guest from outside, from the node, or through the gateway: the port is found by bridge and address."""
    found: dict[tuple[int, str, str], Tree] = {}
    for port in ports:
        for address in port.addresses:
            key = (address.version, port.bridge, str(address))
            # An address that two ports share (VRRP) is open only to what both would accept alike.
            found[key] = _ingress(port) if found.get(key, _ingress(port)) == _ingress(port) else DROP
    for version, kind, family in ((4, "ipv4_addr", "ip"), (6, "ipv6_addr", "ip6")):
        elements = [[concat(key[1], key[2]), verdict] for key, verdict in found.items() if key[0] == version]
        table.map(f"routed{version}", ["ifname", kind], "verdict", elements)
        table.rule("routed", vmap(concat(OIF, payload(family, "daddr")), f"@routed{version}"))
    to_service = match(concat(OIF, payload("ip", "daddr")), "@services")
    table.rule("routed", to_service, ESTABLISHED, ACCEPT)
    table.rule("routed", to_service, DROP)
    # A guest on another node, whose filters apply the port's rules: the mark keeps the frame from ports of this one.
    elsewhere = [match(OIF, "@spanning_bridges"), match(payload("ip", "daddr"), "@translated")]
    table.rule("routed", *elsewhere, set_mark(TUNNEL_INDEX), ACCEPT)
    table.rule("routed", DROP)


def _ingress(port: FilterPort) -> Tree:
    return ACCEPT if port.open else goto(_chain_of(port, "ingress"))


def _chain_of(port: FilterPort, direction: str) -> str:
    if port.logging is not None:
        return f"{direction}_logged_{port.index}"
    return _chain(direction, port.egress if direction == "egress" else port.ingress, port.stateful)


@functools.lru_cache(maxsize=4096)
def _chain(direction: str, accepts: tuple[Accept, ...] | None, stateful: bool) -> str:
    if accepts is None:
        return f"{direction}_closed"
    digest = hashlib.sha256(repr((accepts, stateful)).encode()).hexdigest()
    return f"{direction}_{digest[:12]}"


def _nat_table(plan: FilterPlan) -> Table:
    """A rule per range, not a set: a lookup at the instant of a change may miss, and a flow that misses its first
    translation goes without for good.
    """
    table = Table("ip", NAT)
    table.base_chain("postrouting", kind="nat", hook="postrouting", priority=SOURCE_NAT)
    for each in _ranges(plan):
        source = match(payload("ip", "saddr"), each)
        table.rule("postrouting", source, NOT_TO_BRIDGE, match(OIF, "lo", "!="), {"masquerade": None})
    return table


def _ranges(plan: FilterPlan) -> list[Tree]:
    """What is translated on its way out."""
    cidrs = sorted({cidr for network in plan.networks for cidr in network.cidrs})
    return [_prefix(cidr) for cidr in cidrs]


def _prefix(cidr: str) -> Tree:
    return {"prefix": {"addr": cidr.split("/", maxsplit=1)[0], "len": int(cidr.split("/")[1])}}
