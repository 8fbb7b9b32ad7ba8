"""Security group rules in their normal form (common/filter_rules.py), written as nft expressions."""

from __future__ import annotations

import ipaddress

from common.filter_rules import ICMP, ICMPV6, WITH_PORTS, Accept
from compute_agent.networking import names
from compute_agent.networking.nft_tree import ACCEPT, Tree, match, meta, payload, prefix


def expressions(accept: Accept, direction: str) -> list[Tree]:
    """The body of one nft rule: matches, then accept."""
    family, side = ("ip" if accept.version == 4 else "ip6"), ("saddr" if direction == "ingress" else "daddr")
    body = [match(meta("nfproto"), f"ipv{accept.version}")]
    if accept.remote:
        body.append(match(payload(family, side), prefix(ipaddress.ip_network(accept.remote))))
    if accept.group:
        body.append(match(payload(family, side), f"@{names.group_set(accept.group, accept.version)}"))
    if accept.protocol is not None:
        body += _protocol_matches(accept)
    return [*body, ACCEPT]


def _protocol_matches(accept: Accept) -> list[Tree]:
    matches = [match(meta("l4proto"), accept.protocol)]
    if accept.low is None or accept.protocol is None:
        return matches
    if accept.protocol in (ICMP, ICMPV6):
        name = "icmp" if accept.protocol == ICMP else "icmpv6"
        matches.append(match(payload(name, "type"), accept.low))
        if accept.high is not None:
            matches.append(match(payload(name, "code"), accept.high))
        return matches
    span = accept.low if accept.low == accept.high else {"range": [accept.low, accept.high]}
    return [*matches, match(payload(WITH_PORTS[accept.protocol], "dport"), span)]
