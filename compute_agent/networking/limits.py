"""Table `bridge cmlqos`: what QoS policies hold for ports: bandwidth in either direction, and DSCP marks.

Frames beyond a limit are dropped where they pass the port's tap, after the guard has checked who sent them; so that a
limit needs no device or queue of its own and changes in the transaction of the filters. A table of its own: its chains
come between the guard's and br_netfilter, and changing it leaves the guard as it is.
"""

from __future__ import annotations

from collections.abc import Iterable

from common.rpc.routers_v1 import Bandwidth
from compute_agent.networking.nft_tree import DROP, Table, Tree, match, meta, payload
from compute_agent.networking.plan import FilterPort

NAME = "cmlqos"
AFTER_GUARD = -200
LAST = 100
#: what TCP needs to reach a rate that is enforced by dropping (Neutron's choice), as part of a second
BURST_S = 0.8
LOWEST_BURST_BYTES = 70_000  # one frame of a guest with segmentation offload


def build(ports: Iterable[FilterPort]) -> Table:
    table = Table("bridge", NAME)
    table.base_chain("from_ports", kind="filter", hook="prerouting", priority=AFTER_GUARD)
    table.base_chain("to_ports", kind="filter", hook="postrouting", priority=LAST)
    for port in ports:
        if port.qos is None:
            continue
        if port.qos.egress is not None:
            table.rule("from_ports", match(meta("iifname"), port.tap), beyond(port.qos.egress), DROP)
        if port.qos.dscp_mark is not None:
            for kind in ("ip", "ip6"):
                table.rule(
                    "from_ports",
                    match(meta("iifname"), port.tap),
                    match(payload("ether", "type"), kind),
                    {"mangle": {"key": payload(kind, "dscp"), "value": port.qos.dscp_mark}},
                )
        if port.qos.ingress is not None:
            table.rule("to_ports", match(meta("oifname"), port.tap), beyond(port.qos.ingress), DROP)
    return table


def beyond(limit: Bandwidth) -> Tree:
    """Matches what is over the limit."""
    rate = limit.kbit_per_s * 125
    burst = limit.burst_kbit * 125 or int(rate * BURST_S)
    return {
        "limit": {
            "rate": rate,
            "rate_unit": "bytes",
            "per": "second",
            "burst": max(burst, LOWEST_BURST_BYTES),
            "burst_unit": "bytes",
            "inv": True,
        }
    }
