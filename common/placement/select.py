"""Choosing a node: filters, then scores; the whole reasoning is a value that is kept with the operation."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

from common.placement.filters import FILTERS, Refusal, first_refusal, that_matter
from common.placement.request import PlacementRequest
from common.placement.view import NodeView

KEPT_SCORES = 10
KEPT_REFUSALS = 50
_TIE = 1e-9  # scores that differ by less are equal


@dataclass
class Decision:
    """candidates: nodes that passed every filter, best first."""

    candidates: list[NodeView]
    considered: int
    passed: dict[str, int] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    scores: list[tuple[str, float]] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)

    def reasoning(self, chosen: str | None) -> dict[str, Any]:
        """The form `cumulet server why` shows (docs: fixed names, `explain`)."""
        return {
            "chosen": chosen,
            "candidates": self.considered,
            "filters": [
                {
                    "name": check.name,
                    "passed": self.passed.get(check.name, 0),
                    "refused": self.refused.get(check.name, 0),
                }
                for check in FILTERS
            ],
            "scores": [{"node": name, "score": round(score, 4)} for name, score in self.scores],
            "refusals": [asdict(refusal) for refusal in self.refusals],
            "nearest_fix": "" if chosen else nearest_fix(self.refusals, self.considered),
        }


_SHORT = {
    "is_requested": "are not the node that was asked for",
    "not_tried": "failed already",
    "is_enabled": "are disabled",
    "is_up": "do not answer",
    "in_zone": "are in another availability zone",
    "has_arch": "have another processor architecture",
    "fits_vcpus": "have too few vCPUs free",
    "fits_memory": "have too little memory free",
    "fits_disk": "have too little disk free",
}


def summary(decision: Decision) -> str:
    """Why no node was found, in words a tenant may read: no names of nodes, no amounts."""
    if not decision.considered:
        return "there is no node"
    counts = [f"{decision.refused[name]} {_SHORT[name]}" for name in _SHORT if decision.refused.get(name)]
    return f"of {decision.considered} nodes, {', '.join(counts)}"


def choose(request: PlacementRequest, nodes: Sequence[NodeView], now: datetime, rng: random.Random) -> Decision:
    """Filter and score. Equal scores are shuffled, so that several schedulers don't all claim on one node."""
    decision = Decision(candidates=[], considered=len(nodes))
    left = list(nodes)
    matter = that_matter(request)
    for each in FILTERS:
        passing = each.passing(request, left, now) if each in matter else left
        if len(passing) < len(left):
            decision.refused[each.name] = len(left) - len(passing)
        decision.passed[each.name] = len(passing)
        left = passing
    if len(left) < len(nodes):
        decision.refusals = _refusals(request, nodes, left, now)
    noisy = [value + rng.random() * _TIE for value in _scores(request, left)]
    best_first = sorted(range(len(left)), key=noisy.__getitem__, reverse=True)
    decision.candidates = [left[place] for place in best_first]
    decision.scores = [(node.name, score(request, node)) for node in decision.candidates[:KEPT_SCORES]]
    return decision


def _refusals(
    request: PlacementRequest, nodes: Sequence[NodeView], passed: Sequence[NodeView], now: datetime
) -> list[Refusal]:
    """Of the nodes that did not pass the first KEPT_REFUSALS, in their order, each with its first reason."""
    passed_ids = {node.id for node in passed}
    told = (first_refusal(request, node, now) for node in nodes if node.id not in passed_ids)
    return [refusal for refusal in islice(told, KEPT_REFUSALS) if refusal is not None]


def score(request: PlacementRequest, node: NodeView) -> float:
    """0 to 1: the share of memory and CPU that would be left, memory counting double. Spreads servers over nodes."""
    return _scores(request, [node])[0]


def _scores(request: PlacementRequest, nodes: Sequence[NodeView]) -> list[float]:
    """`score` of each; in one expression, because there may be ten thousand."""
    memory_mib, vcpus = request.amounts.memory_mib, request.amounts.vcpus
    return [
        (
            2 * ((node.free_memory_mib - memory_mib) / node.total_memory_mib if node.total_memory_mib else 0.0)
            + ((node.free_vcpus - vcpus) / node.total_vcpus if node.total_vcpus else 0.0)
        )
        / 3
        for node in nodes
    ]


def nearest_fix(refusals: Sequence[Refusal], considered: int) -> str:
    """The smallest change that would let one node pass, in words."""
    if not considered:
        return "No node is enrolled: start an agent and enrol it (docs/operations.md)."
    amounts = [refusal for refusal in refusals if refusal.wanted is not None and refusal.free is not None]
    if amounts:
        best = min(amounts, key=lambda r: (r.hopeless, ((r.wanted or 0) - (r.free or 0)) / (r.wanted or 1)))
        unit = {"fits_vcpus": "vCPUs", "fits_memory": "MiB of memory", "fits_disk": "GiB of disk"}[best.filter]
        short = (best.wanted or 0) - max(best.free or 0, 0)
        if best.hopeless:
            nearest = f"node {best.node} comes nearest, {short:g} {unit} short"
            return f"No node is large enough: {nearest}; use a smaller flavor or add a node."
        return f"Free {short:g} {unit} on node {best.node}, or use a flavor with at most {max(best.free or 0, 0):g} {unit}."
    if refusals:
        first = refusals[0]
        return f"Node {first.node}: {first.reason}."
    return "No node passed the filters."
