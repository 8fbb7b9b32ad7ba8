"""Chains that log what a port's security groups accept and drop, on the way to the verdict.

A log statement is in a chain before its verdict: what the rate keeps out of the log meets the same verdict. Of a flow
that is followed, the first packet alone is logged, as an established one is let pass before any rule is asked. What is
logged goes by netlink to the agent (packet_log.py), which reads in the prefix whom it concerns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from common.filter_rules import Accept
from compute_agent.networking import names
from compute_agent.networking.nft_tree import DROP, Table, Tree, goto
from compute_agent.networking.plan import FilterPort

GROUP = 3121  # of NFLOG, in each network namespace its own
SNAPLEN = 128  # bytes: headers
#: packets of one port and verdict, Neutron's defaults
RATE_PER_S, BURST = 100, 25
MAX_LOGS = 12  # that a prefix has room for: the kernel takes 127 characters


@dataclass(frozen=True)
class Verdicts:
    """What the rules of a port's chain end with. by_rule: of rules that are logged; of others `accept`."""

    accept: Tree
    drop: Tree
    by_rule: Mapping[Accept, Tree]


@dataclass(frozen=True)
class Prefix:
    """Port and logs by the parts of their ids that device names have, too."""

    accepted: bool
    direction: str
    port: str
    logs: tuple[str, ...]

    def text(self) -> str:
        return " ".join(("A" if self.accepted else "D", self.direction[0], self.port, ",".join(self.logs)))


def parse(text: str) -> Prefix:
    """Raises ValueError for what is not one of ours."""
    verdict, direction, port, logs = text.split(" ")
    return Prefix(verdict == "A", "ingress" if direction == "i" else "egress", port, tuple(logs.split(",")))


def verdicts(table: Table, port: FilterPort, direction: str, accept: Tree) -> Verdicts:
    """With the chains that they lead to, where a log hears of them. `accept`: what an unlogged rule ends with."""
    if port.logging is None:
        return Verdicts(accept, DROP, {})
    by_rule: dict[Accept, Tree] = {}
    chains: dict[tuple[str, ...], Tree] = {}
    for (of_direction, rule), heard in port.logging.accepted.items():
        if of_direction != direction:
            continue
        if heard not in chains:
            name = f"{direction}_accepted_{port.index}_{len(chains)}"
            chains[heard] = _logging(table, name, port, direction, heard, accept, accepted=True)
        by_rule[rule] = chains[heard]
    drop = DROP
    if port.logging.dropped:
        name = f"{direction}_dropped_{port.index}"
        drop = _logging(table, name, port, direction, port.logging.dropped, DROP, accepted=False)
    return Verdicts(accept, drop, by_rule)


def _logging(
    table: Table, name: str, port: FilterPort, direction: str, heard: Sequence[str], verdict: Tree, *, accepted: bool
) -> Tree:
    """The jump to a new chain that logs and then does as `verdict` says."""
    logs = tuple(names.short(log_id) for log_id in heard[:MAX_LOGS])
    prefix = Prefix(accepted, direction, names.short(port.id), logs)
    table.chain(name)
    table.rule(
        name,
        {"limit": {"rate": RATE_PER_S, "per": "second", "burst": BURST}},
        {"log": {"prefix": prefix.text(), "group": GROUP, "snaplen": SNAPLEN}},
    )
    table.rule(name, verdict)
    return goto(name)
