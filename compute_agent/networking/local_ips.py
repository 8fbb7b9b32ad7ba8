"""Local IPs: an address of a network that, on each node, leads to the one port there that was chosen for it.

The network's own namespace answers ARP for it, so that nobody asks elsewhere, and what may not pass the tunnel of that
namespace's addresses may not of these. A frame for such an address gets the port's MAC address before the bridge looks
where to, and the port's own address as its target, which conntrack then sees. Its mark, whose lower half is free until
the bridge has chosen the way, says by which local IP it came; conntrack keeps that with the flow, so that the answer can
bear the address that was asked. Two flows that differ in nothing but this (a guest asks the local IP and the fixed
address from one port) can't be told apart.
"""

from __future__ import annotations

from dataclasses import dataclass

from compute_agent.networking.nft_tree import Table, Tree, ct, masked, match, meta, one_of, payload, set_mark
from compute_agent.networking.plan import Address, FilterPlan, FilterPort

AFTER_CHECKS = -299  # next to the guard's own chain, which has found the sender honest
MANGLE = -150  # conntrack has seen the packet
LOWER_HALF = 0xFFFF


@dataclass(frozen=True)
class Chosen:
    """A local IP on this node. fixed: what it is translated to; None: it stays. number: of this plan alone."""

    number: int
    port: FilterPort
    address: Address
    mac: str
    fixed: Address | None


def chosen(plan: FilterPlan) -> list[Chosen]:
    """Of several ports here that a local IP could lead to, the first."""
    found: dict[tuple[str, Address], Chosen] = {}
    for port in plan.ports:
        for local in port.local:
            key = (port.bridge, local.address)
            found.setdefault(key, Chosen(len(found) + 1, port, local.address, local.mac, local.fixed))
    return list(found.values())


def lead_to_ports(table: Table, plan: FilterPlan) -> None:
    """In the bridge family, for what comes from any port here but the chosen one."""
    chain = "local_ips"
    table.base_chain(chain, kind="filter", hook="prerouting", priority=AFTER_CHECKS)
    for each in chosen(plan):
        taps = [port.tap for port in plan.ports if port.bridge == each.port.bridge and port is not each.port]
        if not taps:
            continue
        changes = [_set("ether", "daddr", each.mac)]
        if each.fixed is not None:
            marked = {"|": [meta("mark"), each.number]}
            changes += [set_mark(marked), _set("ip", "daddr", str(each.fixed))]
        table.rule(chain, one_of(meta("iifname"), taps), match(payload("ip", "daddr"), str(each.address)), *changes)


def answer_as_asked(table: Table, plan: FilterPlan) -> None:
    """In the inet family: the flow remembers the local IP by its number as an address; answers get it as their source."""
    translated = [each for each in chosen(plan) if each.fixed is not None]
    table.base_chain("local_ips", kind="filter", hook="prerouting", priority=MANGLE)
    table.base_chain("local_ip_answers", kind="filter", hook="postrouting", priority=MANGLE)
    if not translated:
        return
    numbers = [[each.number, int(each.address)] for each in translated]
    remembered: Tree = {"map": {"key": masked(meta("mark"), LOWER_HALF), "data": {"set": numbers}}}
    table.rule("local_ips", match(ct("direction"), "original"), {"mangle": {"key": ct("mark"), "value": remembered}})
    addresses = {int(each.address): str(each.address) for each in translated}
    asked: Tree = {"map": {"key": ct("mark"), "data": {"set": [list(pair) for pair in addresses.items()]}}}
    table.rule("local_ip_answers", match(ct("direction"), "reply"), _set("ip", "saddr", asked))


def _set(protocol: str, field: str, value: object) -> Tree:
    return {"mangle": {"key": payload(protocol, field), "value": value}}
