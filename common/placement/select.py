"""Choosing a node: filters, then scores; the whole reasoning is a value that is kept with the operation."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

from common.placement import weighers
from common.placement.filters import Refusal, first_refusal
from common.placement.policy import DEFAULT, Policy
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
    policy: Policy = DEFAULT

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
                for check in self.policy.filters
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
    "in_aggregate": "are in no aggregate that the flavor wants",
    "has_arch": "have another processor architecture",
    "has_hypervisor_type": "have another hypervisor",
    "has_traits": "lack a trait that is wanted, or have one that is not",
    "on_same_node": "have none of the servers it is to be beside",
    "on_other_node": "have a server it is to be apart from",
    "in_affinity": "are not where its server group is",
    "in_anti_affinity": "have as many servers of its server group as may be",
    "serves_volumes": "take no new volumes",
    "has_capabilities": "can not do what the volume type asks for",
    "fits_vcpus": "have too few vCPUs free",
    "fits_memory": "have too little memory free",
    "fits_disk": "have too little disk free",
    "fits_rates": "promise too little bandwidth, or too few packets a second",
    "fits_cells": "have no NUMA cells with the CPUs and pages that are wanted",
}


def summary(decision: Decision) -> str:
    """Why no node was found, in words a tenant may read: no names of nodes, no amounts."""
    if not decision.considered:
        return "there is no node"
    counts = [f"{decision.refused[name]} {_SHORT[name]}" for name in _SHORT if decision.refused.get(name)]
    return f"of {decision.considered} nodes, {', '.join(counts)}"


def choose(
    request: PlacementRequest,
    nodes: Sequence[NodeView],
    now: datetime,
    rng: random.Random,
    policy: Policy = DEFAULT,
) -> Decision:
    """Filter and score. Equal scores are shuffled, so that several schedulers don't all claim on one node."""
    decision = Decision(candidates=[], considered=len(nodes), policy=policy)
    left: Sequence[NodeView] = nodes
    for each in policy.filters:
        passing = each.passing(request, left, now)
        if len(passing) < len(left):
            decision.refused[each.name] = len(left) - len(passing)
        decision.passed[each.name] = len(passing)
        left = passing
    if len(left) < len(nodes):
        decision.refusals = _refusals(request, nodes, left, now, policy)
    scores = weighers.weigh(request, left, policy.weighers)
    noisy = [value + rng.random() * _TIE for value in scores]
    best_first = sorted(range(len(left)), key=noisy.__getitem__, reverse=True)
    decision.candidates = [left[place] for place in best_first]
    decision.scores = [(left[place].name, scores[place]) for place in best_first[:KEPT_SCORES]]
    return decision


def _refusals(
    request: PlacementRequest, nodes: Sequence[NodeView], passed: Sequence[NodeView], now: datetime, policy: Policy
) -> list[Refusal]:
    """Of the nodes that did not pass the first KEPT_REFUSALS, in their order, each with its first reason."""
    passed_ids = {node.id for node in passed}
    told = (first_refusal(request, node, now, policy.filters) for node in nodes if node.id not in passed_ids)
    return [refusal for refusal in islice(told, KEPT_REFUSALS) if refusal is not None]


def score(request: PlacementRequest, node: NodeView, policy: Policy = DEFAULT) -> float:
    """What the policy's weighers say; as configured by default, it spreads servers over nodes."""
    return weighers.weigh(request, [node], policy.weighers)[0]


def nearest_fix(refusals: Sequence[Refusal], considered: int) -> str:
    """The smallest change that would let one node pass, in words."""
    if not considered:
        return "No node is enrolled: start an agent and enrol it (docs/operations.md)."
    amounts = [refusal for refusal in refusals if refusal.wanted is not None and refusal.free is not None]
    if amounts:
        best = min(amounts, key=lambda r: (r.hopeless, ((r.wanted or 0) - (r.free or 0)) / (r.wanted or 1)))
        unit = {
            "fits_vcpus": "vCPUs",
            "fits_memory": "MiB of memory",
            "fits_disk": "GiB of disk",
            "fits_cells": "CPUs to dedicate",
        }[best.filter]
        short = (best.wanted or 0) - max(best.free or 0, 0)
        if best.hopeless:
            nearest = f"node {best.node} comes nearest, {short:g} {unit} short"
            return f"No node is large enough: {nearest}; use a smaller flavor or add a node."
        return f"Free {short:g} {unit} on node {best.node}, or use a flavor with at most {max(best.free or 0, 0):g} {unit}."
    if refusals:
        first = refusals[0]
        return f"Node {first.node}: {first.reason}."
    return "No node passed the filters."
