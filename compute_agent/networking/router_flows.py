"""Cutting a router's flows that bear a translation which is no longer (NET-09).

Conntrack keeps an established flow's translation whatever the tables now say: after a floating address was moved or
taken away, or source NAT was switched off, flows in the router's namespace that still bear it are deleted there.
"""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass
from typing import Any

from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.nfnetlink.nfctsocket import NFCTAttrTuple, NFCTSocket

from common.errors import NetworkingError
from common.rpc.routers_v1 import RouterSpec
from compute_agent.networking.router_tables import outside_address

EXPECTED = 1  # IPS_EXPECTED


@dataclass(frozen=True)
class Translations:
    """What a router translates now. targets: (address outside, inside); sources: (inside, outside); own: its own."""

    targets: frozenset[tuple[str, str]]
    sources: frozenset[tuple[str, str]]
    own: str | None
    source_nat: bool

    def permit(self, asked: tuple[str, str], answered: tuple[str, str]) -> bool:
        """asked: source and target of a flow's first packet; answered: of its answer."""
        source, target = asked
        answering, seen_as = answered
        hairpin = target != answering
        if hairpin and (target, answering) not in self.targets:
            return False
        if source == seen_as:
            return True
        if (source, seen_as) in self.sources:
            return True
        floats = any(inside == source for inside, _ in self.sources)
        return seen_as == self.own and (self.source_nat or hairpin) and not floats


def translations(router: RouterSpec) -> Translations:
    pairs = [(each.address, each.fixed_address) for each in router.floating]
    pairs += [(each.address, each.fixed_address) for each in router.forwarded]
    return Translations(
        targets=frozenset(pairs),
        sources=frozenset((each.fixed_address, each.address) for each in router.floating),
        own=outside_address(router),
        source_nat=router.source_nat,
    )


def cut(router: RouterSpec) -> int:
    """Delete what bears a former translation, in the namespace of the calling thread; returns how many."""
    now, count = translations(router), 0
    try:
        with NFCTSocket(nfgen_family=socket.AF_INET) as table:
            for entry in list(table.dump()):
                if entry["nfgen_family"] != socket.AF_INET:
                    continue
                first = _tuple(entry, "CTA_TUPLE_ORIG")
                answer = _tuple(entry, "CTA_TUPLE_REPLY")
                if first.daddr == now.own and entry.get_attr("CTA_STATUS") & EXPECTED:
                    continue  # a data connection that a helper made way for
                if not now.permit((first.saddr, first.daddr), (answer.saddr, answer.daddr)):
                    count += _delete(table, first)
    except (NetlinkError, OSError) as err:
        raise NetworkingError(f"flows of router {router.id} can't be looked through", detail=str(err)) from err
    return count


def _tuple(entry: Any, name: str) -> Any:
    made = NFCTAttrTuple.from_netlink(socket.AF_INET, entry.get_attr(name))
    if made.proto != socket.IPPROTO_ICMP:
        ports = entry.get_attr(name).get_attr("CTA_TUPLE_PROTO")
        made.sport, made.dport = ports.get_attr("CTA_PROTO_SRC_PORT"), ports.get_attr("CTA_PROTO_DST_PORT")
    return made


def _delete(table: Any, first: Any) -> int:
    try:
        table.entry("del", tuple_orig=first)
    except NetlinkError as err:
        if err.code != errno.ENOENT:  # it ended by itself
            raise
        return 0
    return 1
