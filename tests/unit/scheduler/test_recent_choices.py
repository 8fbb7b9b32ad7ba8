"""Servers placed at the same moment by workers that all read the same view."""

from __future__ import annotations

import random
from collections import Counter
from datetime import timedelta

from common.placement.recent import REMEMBERED, RecentChoices
from common.placement.select import Decision, choose
from common.placement.view import NodeView
from tests.unit.scheduler.test_placement import NOW, node, request

THREE = [node("n1"), node("n2"), node("n3")]


def place(recent: RecentChoices, nodes: list[NodeView], seed: int = 1, after_s: float = 0.0) -> Decision:
    now = NOW + timedelta(seconds=after_s)
    decision = choose(request(), nodes, NOW, random.Random(seed))
    recent.spread(decision, request(), now)
    return decision


def test_six_servers_at_once_spread_evenly_over_three_nodes() -> None:
    recent = RecentChoices()
    chosen = Counter(place(recent, THREE, seed).candidates[0].name for seed in range(6))
    assert chosen == {"n1": 2, "n2": 2, "n3": 2}


def test_a_much_larger_node_still_takes_several() -> None:
    recent = RecentChoices()
    nodes = [node("small"), node("large", total_vcpus=80, free_vcpus=80, total_memory_mib=40960, free_memory_mib=40960)]
    assert [place(recent, nodes, seed).candidates[0].name for seed in range(4)].count("large") >= 3


def test_only_the_order_changes() -> None:
    recent = RecentChoices()
    for _ in range(20):
        decision = place(recent, THREE)
        assert sorted(each.name for each in decision.candidates) == ["n1", "n2", "n3"]
        assert decision.candidates[0].free_vcpus == 8, "what the claim is told must be what the view says"
        assert decision.scores[0][0] == decision.candidates[0].name


def test_a_choice_is_forgotten_when_the_view_must_show_it() -> None:
    recent = RecentChoices()
    first = place(recent, THREE, seed=1).candidates[0].name
    assert place(recent, THREE, seed=1).candidates[0].name != first
    later_s = REMEMBERED.total_seconds() + 0.1
    assert place(recent, THREE, seed=1, after_s=later_s).candidates[0].name == first


def test_without_candidates_there_is_nothing_to_spread() -> None:
    recent = RecentChoices()
    assert place(recent, []).candidates == []
    assert place(recent, THREE).candidates
