"""Filters, scores and the explanation, as pure functions."""

from __future__ import annotations

import dataclasses
import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.db.nodes import Amounts
from common.deadlines import NODE_DOWN_S
from common.placement import filters
from common.placement.request import PlacementRequest, amounts_of
from common.placement.select import choose, nearest_fix, score
from common.placement.view import NodeView

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def node(name: str = "n1", **changes: object) -> NodeView:
    view = NodeView(
        id=name,
        name=name,
        seq=1,
        enabled=True,
        disabled_reason="",
        forced_down=False,
        last_heartbeat_at=NOW,
        availability_zone="nova",
        arch="x86_64",
        total_vcpus=8,
        total_memory_mib=4096,
        total_disk_gib=100,
        free_vcpus=8,
        free_memory_mib=4096,
        free_disk_gib=100,
    )
    return dataclasses.replace(view, **changes)  # type: ignore[arg-type]


def request(vcpus: int = 1, memory_mib: int = 512, disk_gib: int = 1, **changes: object) -> PlacementRequest:
    asked = PlacementRequest("i", Amounts(vcpus, memory_mib, disk_gib))
    return dataclasses.replace(asked, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "asked", "refused_by"),
    [
        ({"last_heartbeat_at": NOW - timedelta(seconds=31)}, {}, "is_up"),
        ({"last_heartbeat_at": None}, {}, "is_up"),
        ({"forced_down": True}, {}, "is_up"),
        ({"enabled": False, "disabled_reason": "repair"}, {}, "is_enabled"),
        ({}, {"requested_node": "other"}, "is_requested"),
        ({}, {"excluded": frozenset({"n1"})}, "not_tried"),
        ({}, {"availability_zone": "east"}, "in_zone"),
        ({}, {"arch": "aarch64"}, "has_arch"),
        ({"free_vcpus": 0}, {}, "fits_vcpus"),
        ({"free_memory_mib": 511}, {}, "fits_memory"),
        ({"free_disk_gib": 0}, {}, "fits_disk"),
    ],
)
def test_each_filter_says_why(changes: dict[str, object], asked: dict[str, object], refused_by: str) -> None:
    decision = choose(request(**asked), [node(**changes)], NOW, random.Random(1))  # type: ignore[arg-type]
    assert decision.candidates == []
    assert [refusal.filter for refusal in decision.refusals] == [refused_by]
    reasoning = decision.reasoning(None)
    assert reasoning["nearest_fix"]
    assert sum(entry["refused"] for entry in reasoning["filters"]) == 1


def test_a_request_that_fits_exactly_passes() -> None:
    asked = request(8, 4096, 100)
    assert [n.name for n in choose(asked, [node()], NOW, random.Random(1)).candidates] == ["n1"]


def test_the_emptiest_node_comes_first() -> None:
    nodes = [node("full", free_memory_mib=1024), node("empty"), node("half", free_memory_mib=2048)]
    decision = choose(request(), nodes, NOW, random.Random(1))
    assert [n.name for n in decision.candidates] == ["empty", "half", "full"]
    assert decision.reasoning("empty")["nearest_fix"] == ""


def test_equal_nodes_take_turns() -> None:
    nodes = [node(f"n{i}") for i in range(4)]
    first = {choose(request(), nodes, NOW, random.Random(seed)).candidates[0].name for seed in range(50)}
    assert len(first) == 4


def test_the_nearest_fix_prefers_a_node_that_could_be_freed() -> None:
    refusals = [
        filters.Refusal("small", "fits_memory", "", wanted=512, free=500, hopeless=True),
        filters.Refusal("busy", "fits_memory", "", wanted=512, free=256),
    ]
    assert (
        nearest_fix(refusals, 2)
        == "Free 256 MiB of memory on node busy, or use a flavor with at most 256 MiB of memory."
    )


@given(
    st.lists(
        st.fixed_dictionaries({
            "enabled": st.booleans(), "forced_down": st.booleans(), "free_vcpus": st.integers(-2, 4),
            "free_memory_mib": st.sampled_from([0, 511, 512, 513]), "free_disk_gib": st.integers(-1, 3),
            "last_heartbeat_at": st.sampled_from(
                [None, NOW, NOW - timedelta(seconds=NODE_DOWN_S), NOW - timedelta(seconds=NODE_DOWN_S + 1)]
            ),
        })
    ),
    st.integers(0, 4), st.integers(0, 3),
)  # fmt: skip
def test_looking_at_all_nodes_at_once_passes_those_that_pass_one_by_one(
    kinds: list[dict[str, object]], vcpus: int, disk_gib: int
) -> None:
    views = [node(f"n{number}", **changes) for number, changes in enumerate(kinds)]
    asked = request(vcpus=vcpus, disk_gib=disk_gib)
    for each in filters.FILTERS:
        assert list(each.passing(asked, views, NOW)) == [view for view in views if each.check(asked, view, NOW) is None]


def test_without_nodes_it_says_so() -> None:
    assert "No node is enrolled" in choose(request(), [], NOW, random.Random(1)).reasoning(None)["nearest_fix"]


def test_only_ten_scores_and_fifty_refusals_are_kept() -> None:
    nodes = [node(f"n{i}") for i in range(30)] + [node(f"x{i}", enabled=False) for i in range(80)]
    reasoning = choose(request(), nodes, NOW, random.Random(1)).reasoning("n1")
    assert (len(reasoning["scores"]), len(reasoning["refusals"]), reasoning["candidates"]) == (10, 50, 110)


def test_disk_counts_root_ephemeral_and_swap_and_the_image_where_root_is_zero() -> None:
    flavor = {"vcpus": 1, "memory_mib": 64, "root_gib": 0, "ephemeral_gib": 2, "swap_mib": 1500}
    assert amounts_of(flavor, {"virtual_size_bytes": 3 * 2**30 + 1}).disk_gib == 4 + 2 + 2


@given(
    vcpus=st.integers(1, 16),
    memory_mib=st.integers(1, 8192),
    disk_gib=st.integers(0, 200),
    free=st.tuples(st.integers(-4, 8), st.integers(-100, 4096), st.integers(-5, 100)),
)
def test_whoever_passes_has_room_and_whoever_is_refused_has_not(
    vcpus: int, memory_mib: int, disk_gib: int, free: tuple[int, int, int]
) -> None:
    view = node(free_vcpus=free[0], free_memory_mib=free[1], free_disk_gib=free[2])
    fits = vcpus <= free[0] and memory_mib <= free[1] and disk_gib <= free[2]
    decision = choose(request(vcpus, memory_mib, disk_gib), [view], NOW, random.Random(1))
    assert bool(decision.candidates) == fits
    if fits:
        assert 0 <= score(request(vcpus, memory_mib, disk_gib), view) <= 1
