"""The table in a router's namespace that limits what its addresses outside send and get: floating ones, and its own.

What is beyond a limit is dropped where the packet bears the address outside: on its way in before it is translated, on its
way out after. So ports that are forwarded are within the limit of their floating address.
"""

from __future__ import annotations

from common.rpc.routers_v1 import RouterSpec
from compute_agent.networking import limits, names
from compute_agent.networking.nft_tree import DROP, Table, match, meta, payload

LIMIT = "cmlqos"
BEFORE_TRANSLATION, AFTER_TRANSLATION = -151, 110


def table(router: RouterSpec) -> Table:
    made = Table("ip", LIMIT)
    made.base_chain("arriving", kind="filter", hook="prerouting", priority=BEFORE_TRANSLATION)
    made.base_chain("leaving", kind="filter", hook="postrouting", priority=AFTER_TRANSLATION)
    if router.gateway is None:
        return made
    outside = names.router_outside(router.gateway.port_id)
    for each in router.limited:
        if each.ingress is not None:
            chosen = [match(meta("iifname"), outside), match(payload("ip", "daddr"), each.address)]
            made.rule("arriving", *chosen, limits.beyond(each.ingress), DROP)
        if each.egress is not None:
            chosen = [match(meta("oifname"), outside), match(payload("ip", "saddr"), each.address)]
            made.rule("leaving", *chosen, limits.beyond(each.egress), DROP)
    return made
