"""The tables in a router's namespace: what it forwards, and which addresses it translates. Pure: a RouterSpec in.

`ip cmlnat`: what comes to a floating address goes to its fixed one, and back; all else that leaves by the gateway bears
the gateway's address, unless source NAT is off. Traffic between two networks inside is never translated, except where a
guest speaks to another by its floating address, as the answer has to come back by the router.
`inet cmlmeter` counts (router_meter.py).
`inet cmlfilter`: with source NAT nobody outside reaches a fixed address that no translation leads to.

Rules, not sets, for translations: a lookup at the instant of a change may miss, and a flow that misses its first
translation goes without for good.
"""

from __future__ import annotations

from common.rpc.compute_v1 import RouterInterface, RouterSpec
from compute_agent.networking import names, router_meter
from compute_agent.networking.nft_tree import ACCEPT, DROP, Table, Tree, ct, masked, match, meta, payload, set_mark

FILTER, NAT = "cmlfilter", "cmlnat"
TABLES = (("inet", FILTER), ("ip", NAT))
COUNTING = ("inet", router_meter.METER)  # not looked at for changes: its counts are always others
MANGLE, DESTINATION_NAT, FILTERING, SOURCE_NAT = -150, -100, 0, 100
FROM_OUTSIDE = 1
TRANSLATED_TARGET = 32  # IPS_DST_NAT among the bits of `ct status`
LINK_LOCAL: Tree = {"prefix": {"addr": "169.254.0.0", "len": 16}}

IIF, OIF = meta("iifname"), meta("oifname")
SOURCE, TARGET = payload("ip", "saddr"), payload("ip", "daddr")


def build(router: RouterSpec) -> list[Table]:
    """The tables, which belong together: nft.replace applies them in one transaction."""
    outside = names.router_outside(router.gateway.port_id) if router.gateway else ""
    return [_filter_table(router, outside), _nat_table(router, outside), router_meter.table(router)]


def outside_address(router: RouterSpec) -> str | None:
    """The IPv4 address that source NAT uses."""
    return _ipv4(router.gateway) if router.gateway else None


def _ipv4(interface: RouterInterface) -> str | None:
    return next((each.split("/")[0] for each in interface.addresses if ":" not in each), None)


def _filter_table(router: RouterSpec, outside: str) -> Table:
    table = Table("inet", FILTER)
    table.base_chain("forward", kind="filter", hook="forward", priority=FILTERING)
    # Advertisements are the router's; addresses are given by the networks' own DHCP on every node.
    table.base_chain("output", kind="filter", hook="output", priority=FILTERING)
    table.rule("output", match(payload("udp", "sport"), 547), DROP)
    table.rule("forward", match(TARGET, LINK_LOCAL), DROP)  # metadata is the networks' own, never a router's
    if not outside:
        return table
    table.rule("forward", match(IIF, outside), match(OIF, outside), DROP)
    if router.source_nat:
        table.rule("forward", match(meta("nfproto"), "ipv6"), ACCEPT)
        table.rule("forward", _status(translated=True), ACCEPT)
        table.rule("forward", match(IIF, outside), match(ct("direction"), "original"), DROP)
    return table


def _nat_table(router: RouterSpec, outside: str) -> Table:
    table = Table("ip", NAT)
    table.base_chain("arriving", kind="filter", hook="prerouting", priority=MANGLE)
    table.base_chain("prerouting", kind="nat", hook="prerouting", priority=DESTINATION_NAT)
    table.base_chain("postrouting", kind="nat", hook="postrouting", priority=SOURCE_NAT)
    if not outside:
        return table
    table.rule("arriving", match(IIF, outside), set_mark(FROM_OUTSIDE))
    for each in router.forwarded:
        chosen = [match(TARGET, each.address), match(payload(each.protocol, "dport"), each.port)]
        table.rule("prerouting", *chosen, {"dnat": {"addr": each.fixed_address, "port": each.fixed_port}})
    for pair in router.floating:
        table.rule("prerouting", match(TARGET, pair.address), {"dnat": {"addr": pair.fixed_address}})
    table.rule("postrouting", match(meta("mark"), FROM_OUTSIDE), ACCEPT)
    table.rule("postrouting", match(OIF, outside, "!="), _status(translated=False), ACCEPT)
    for pair in router.floating:
        table.rule("postrouting", match(SOURCE, pair.fixed_address), {"snat": {"addr": pair.address}})
    own = outside_address(router)
    if own is not None:
        table.rule("postrouting", match(OIF, outside, "!="), {"snat": {"addr": own}})
        if router.source_nat:
            table.rule("postrouting", match(OIF, outside), {"snat": {"addr": own}})
    return table


def _status(*, translated: bool) -> Tree:
    bit = masked(ct("status"), TRANSLATED_TARGET)
    return match(bit, TRANSLATED_TARGET if translated else 0)
