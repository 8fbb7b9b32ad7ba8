"""Cutting established flows that no rule permits any more (NET-09, Neutron's semantics).

Conntrack lets an established flow pass whatever the rules now say, so that after rules, members or addresses went,
the flows of the ports concerned are compared with the new plan and those that no new flow could repeat are deleted.
Flows that are still permitted are left alone.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.nfnetlink.nfctsocket import NFCTAttrTuple, NFCTSocket

from common.errors import NetworkingError
from common.filter_rules import ICMP, ICMPV6, Accept, Flow, permits
from compute_agent.networking.guard import METADATA_ADDRESS, METADATA_ADDRESS6
from compute_agent.networking.plan import Address, FilterPlan, FilterPort


@dataclass(frozen=True)
class TrackedFlow:
    """One conntrack entry by its first packet; low, high: destination port, or ICMP type and code."""

    zone: int
    protocol: int
    source: Address
    target: Address
    low: int | None
    high: int | None
    handle: Any  # the tuple that names it to the kernel


def cut(before: FilterPlan | None, after: FilterPlan) -> int:
    """Delete the flows that the change from one plan to the other forbids; returns how many.

    Without a plan before, as after a restart that may have come in the middle of a change, every port is looked at.
    """
    everyone = {(port.zone, address) for port in after.ports for address in port.addresses}
    concerned = everyone if before is None else narrowed(before, after)
    if not concerned:
        return 0
    try:
        return sum(_cut_family(family, concerned, after) for family in (socket.AF_INET, socket.AF_INET6))
    except (NetlinkError, OSError) as err:
        raise NetworkingError("established flows can't be looked through", detail=str(err)) from err


def narrowed(before: FilterPlan, after: FilterPlan) -> set[tuple[int, Address]]:
    """(zone, address) of each port that may do less than before."""
    now = {port.id: port for port in after.ports}
    shrunk = {name for name, members in before.groups.items() if set(members) - set(after.groups.get(name, []))}
    concerned: set[tuple[int, Address]] = set()
    for port in before.ports:
        left = now.get(port.id)
        if left is None or _lost(port, left, shrunk):
            concerned |= {(port.zone, address) for address in port.addresses}
        else:
            concerned |= {(port.zone, address) for address in set(port.addresses) - set(left.addresses)}
    return concerned


class Judge:
    """Whether a new flow like a tracked one would pass a plan's rules."""

    def __init__(self, plan: FilterPlan) -> None:
        self.groups = dict(plan.groups)
        self.owners = {(port.zone, address): port for port in plan.ports for address in port.addresses}
        self.services = {(network.zone, address) for network in plan.networks for address in network.services}

    def permits(self, flow: TrackedFlow) -> bool:
        """True also when neither end is a port of the plan: such flows are not ours to judge."""
        ends = {(flow.zone, flow.source), (flow.zone, flow.target)}
        if ends & self.services or str(flow.target) in (METADATA_ADDRESS, METADATA_ADDRESS6):
            return True
        sender = self.owners.get((flow.zone, flow.source))
        receiver = self.owners.get((flow.zone, flow.target))
        if sender is not None and not self._passes(sender, sender.egress, flow, flow.target):
            return False
        return receiver is None or self._passes(receiver, receiver.ingress, flow, flow.source)

    def _passes(self, port: FilterPort, accepts: tuple[Accept, ...] | None, flow: TrackedFlow, remote: Address) -> bool:
        asked = Flow(protocol=flow.protocol, remote=remote, low=flow.low, high=flow.high)
        return port.open or any(permits(accept, asked, self.groups) for accept in accepts or ())


def _lost(before: FilterPort, after: FilterPort, shrunk: set[str]) -> bool:
    if before.open != after.open or before.zone != after.zone or before.bridge != after.bridge:
        return True
    if after.ingress is None or after.egress is None:
        return before.ingress is not None
    had_in, had_out = set(before.ingress or ()), set(before.egress or ())
    if had_in - set(after.ingress) or had_out - set(after.egress):
        return True
    return any(accept.group in shrunk for accept in had_in | had_out)


def _cut_family(family: int, concerned: set[tuple[int, Address]], plan: FilterPlan) -> int:
    judge = Judge(plan)
    removed = concerned - judge.owners.keys()
    count = 0
    with NFCTSocket(nfgen_family=family) as table:
        for flow in list(_tracked(table, family)):
            ends = {(flow.zone, flow.source), (flow.zone, flow.target)}
            if not ends & concerned or (not ends & removed and judge.permits(flow)):
                continue
            count += _delete(table, flow)
    return count


def _tracked(table: Any, family: int) -> Iterator[TrackedFlow]:
    for entry in table.dump():
        if entry["nfgen_family"] != family:
            continue
        first = NFCTAttrTuple.from_netlink(family, entry.get_attr("CTA_TUPLE_ORIG"))
        ports = entry.get_attr("CTA_TUPLE_ORIG").get_attr("CTA_TUPLE_PROTO")
        icmp = first.proto in (ICMP, ICMPV6)
        if not icmp:
            first.sport, first.dport = ports.get_attr("CTA_PROTO_SRC_PORT"), ports.get_attr("CTA_PROTO_DST_PORT")
        yield TrackedFlow(
            zone=entry.get_attr("CTA_ZONE") or 0,
            protocol=first.proto,
            source=ipaddress.ip_address(first.saddr),
            target=ipaddress.ip_address(first.daddr),
            low=first.icmp_type if icmp else first.dport,
            high=first.icmp_code if icmp else first.dport,
            handle=first,
        )


def _delete(table: Any, flow: TrackedFlow) -> int:
    facts = {"zone": flow.zone} if flow.zone else {}
    try:
        table.entry("del", tuple_orig=flow.handle, **facts)
    except NetlinkError as err:
        if err.code != errno.ENOENT:  # it ended by itself
            raise
        return 0
    return 1
