"""Table `bridge cmlqos`: what QoS policies hold for ports: bandwidth and packets in either direction, and DSCP marks.

Frames beyond a limit are dropped where they pass the port's tap, after the guard has checked who sent them; so that a
limit needs no device or queue of its own and changes in the transaction of the filters. A table of its own: its chains
come between the guard's and br_netfilter, and changing it leaves the guard as it is.
"""

from __future__ import annotations

from collections.abc import Iterable

from common.rpc.routers_v1 import Bandwidth, PacketRate
from compute_agent.networking.nft_tree import DROP, Table, Tree, match, meta, payload
from compute_agent.networking.plan import FilterPort

NAME = "cmlqos"
AFTER_GUARD = -200
LAST = 100
#: what TCP needs to reach a rate that is enforced by dropping (Neutron's choice), as part of a second
BURST_S = 0.8
LOWEST_BURST_BYTES = 70_000  # one frame of a guest with segmentation offload
LOWEST_BURST_PACKETS = 5  # nft's own default
#: what nft can count; more than a tap carries, so that a limit above it limits as little as this one
HIGHEST_RATE_BYTES = 10**10
HIGHEST_RATE_PACKETS = 10**9
HIGHEST_BURST = 2**32 - 1


def build(ports: Iterable[FilterPort]) -> Table:
    table = Table("bridge", NAME)
    table.base_chain("from_ports", kind="filter", hook="prerouting", priority=AFTER_GUARD)
    table.base_chain("to_ports", kind="filter", hook="postrouting", priority=LAST)
    for port in ports:
        if port.qos is None:
            continue
        from_port, to_port = match(meta("iifname"), port.tap), match(meta("oifname"), port.tap)
        for over in _beyond_any(port.qos.egress, port.qos.egress_packets):
            table.rule("from_ports", from_port, over, DROP)
        if port.qos.dscp_mark is not None:
            for kind in ("ip", "ip6"):
                marked: Tree = {"mangle": {"key": payload(kind, "dscp"), "value": port.qos.dscp_mark}}
                table.rule("from_ports", from_port, match(payload("ether", "type"), kind), marked)
        for over in _beyond_any(port.qos.ingress, port.qos.ingress_packets):
            table.rule("to_ports", to_port, over, DROP)
    return table


def _beyond_any(bandwidth: Bandwidth | None, packets: PacketRate | None) -> list[Tree]:
    """Packets first: what they drop uses up no bandwidth."""
    return [*([_beyond_packets(packets)] if packets else []), *([beyond(bandwidth)] if bandwidth else [])]


def beyond(limit: Bandwidth) -> Tree:
    """Matches what is over the limit."""
    rate = min(limit.kbit_per_s * 125, HIGHEST_RATE_BYTES)
    burst = limit.burst_kbit * 125 or int(rate * BURST_S)
    burst = min(max(burst, LOWEST_BURST_BYTES), HIGHEST_BURST)
    return _over(rate=rate, rate_unit="bytes", burst=burst, burst_unit="bytes")


def _beyond_packets(limit: PacketRate) -> Tree:
    rate = min(limit.packets_per_s, HIGHEST_RATE_PACKETS)
    burst = limit.burst_packets or int(rate * BURST_S)
    return _over(rate=rate, burst=min(max(burst, LOWEST_BURST_PACKETS), HIGHEST_BURST))


def _over(**facts: object) -> Tree:
    return {"limit": {**facts, "per": "second", "inv": True}}
