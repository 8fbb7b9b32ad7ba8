"""The table in a router's namespace that counts what passes to and from outside, by metering label.

A counter for each label keeps its count when the rules around it are exchanged. It goes with the namespace: a router
that another node takes over is counted anew there.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from common.rpc.compute_v1 import MeteringRule, RouterSpec
from compute_agent.networking import names
from compute_agent.networking.nft_tree import RETURN, Table, Tree, jump, match, meta, payload, prefix

METER = "cmlmeter"
AFTER_FILTERS = 10  # what was dropped is not counted


@dataclass(frozen=True)
class Count:
    """What has passed by a label at a router."""

    router_id: str
    label_id: str
    packets: int
    octets: int


def table(router: RouterSpec) -> Table:
    """A chain for each label: what is excluded returns first, what a rule names is counted once."""
    made = Table("inet", METER)
    made.base_chain("forward", kind="filter", hook="forward", priority=AFTER_FILTERS)
    if router.gateway is None:
        return made
    outside = names.router_outside(router.gateway.port_id)
    for label in router.metering:
        name = counter(label.id)
        made.counter(name)
        made.chain(name)
        for rule in label.rules:
            made.rule(name, *_matches(rule, outside), *([] if rule.excluded else [{"counter": name}]), RETURN)
        made.rule("forward", jump(name))
    return made


def counter(label_id: str) -> str:
    return f"label{label_id.replace('-', '')}"


def _matches(rule: MeteringRule, outside: str) -> list[Tree]:
    inwards = rule.direction == "ingress"
    found = [match(meta("iifname" if inwards else "oifname"), outside)]
    remote = "saddr" if inwards else "daddr"
    sides = ((remote, rule.remote), ("saddr", rule.source), ("daddr", rule.destination))
    for side, cidr in sides:
        if cidr is None:
            continue
        network = ipaddress.ip_network(cidr)
        protocol = "ip6" if network.version == 6 else "ip"
        if network.prefixlen == 0:
            found.append(match(meta("nfproto"), "ipv6" if network.version == 6 else "ipv4"))
        else:
            found.append(match(payload(protocol, side), prefix(network)))
    return found


def counts(router: RouterSpec, listed: list[Tree]) -> list[Count]:
    """`listed`: what `nft -j list counters` says in the router's namespace."""
    held = {item["counter"]["name"]: item["counter"] for item in listed if "counter" in item}
    found = []
    for label in router.metering:
        known = held.get(counter(label.id))
        if known is not None and known["table"] == METER:
            found.append(Count(router.id, label.id, int(known["packets"]), int(known["bytes"])))
    return found
