"""Filters and weighers that look at aggregates, images, groups and hints; the configuration that lists them."""

from __future__ import annotations

import random
from typing import Any

import pytest

from common.config import SchedulerConfig
from common.db.nodes import Amounts
from common.errors import ConfigError
from common.hardware.fitting import HostCell
from common.hardware.numa import NumaWish, Pages, WantedCell
from common.hardware.trait_wishes import TraitWishes
from common.placement import policy
from common.placement.expressions import fits
from common.placement.request import Group
from common.placement.select import choose
from tests.unit.scheduler.test_placement import NOW, node, request


@pytest.mark.parametrize(
    ("changes", "asked", "refused_by"),
    [
        ({}, {"aggregate_specs": (("disk", "ssd"),)}, "in_aggregate"),
        ({"aggregate_properties": {"disk": ["hdd", "tape"]}}, {"aggregate_specs": (("disk", "ssd"),)}, "in_aggregate"),
        ({"aggregate_properties": {"disk": ["hdd", "ssd"]}}, {"aggregate_specs": (("disk", "ssd"),)}, None),
        ({"hypervisor_type": "QEMU"}, {"hypervisor_type": "xen"}, "has_hypervisor_type"),
        ({"hypervisor_type": "QEMU"}, {"hypervisor_type": "kvm"}, None),
        ({}, {"same_nodes": frozenset({"n2"})}, "on_same_node"),
        ({}, {"same_nodes": frozenset({"n1"})}, None),
        ({}, {"other_nodes": frozenset({"n1"})}, "on_other_node"),
        ({}, {"group": Group("affinity", members={"n2": 1})}, "in_affinity"),
        ({}, {"group": Group("affinity", members={"n1": 1})}, None),
        ({}, {"group": Group("affinity")}, None),
        ({}, {"group": Group("anti-affinity", members={"n1": 1})}, "in_anti_affinity"),
        ({}, {"group": Group("anti-affinity", 2, {"n1": 1})}, None),
        ({}, {"group": Group("anti-affinity", 2, {"n1": 2})}, "in_anti_affinity"),
        ({}, {"group": Group("soft-anti-affinity", members={"n1": 9})}, None),
    ],
)
def test_each_filter_says_why(changes: dict[str, Any], asked: dict[str, Any], refused_by: str | None) -> None:
    decision = choose(request(**asked), [node(**changes)], NOW, random.Random(1))
    assert [refusal.filter for refusal in decision.refusals] == ([refused_by] if refused_by else [])
    assert len(decision.candidates) == (0 if refused_by else 1)


@pytest.mark.parametrize(("wish", "best"), [("soft-affinity", "n2"), ("soft-anti-affinity", "n1")])
def test_wishes_of_groups_weigh_more_than_room(wish: str, best: str) -> None:
    members = {"n2": 2} if wish == "soft-affinity" else {"n2": 2, "n3": 1}
    nodes = [node("n1", free_memory_mib=600), node("n2"), node("n3")]
    if wish == "soft-affinity":
        nodes[1] = node("n2", free_memory_mib=600)
    decision = choose(request(group=Group(wish, members=members)), nodes, NOW, random.Random(1))
    assert decision.candidates[0].name == best


def test_configuration_lists_filters_and_weighers() -> None:
    packed = policy.from_config(SchedulerConfig(filters="fits_memory, is_up", weighers="free_memory=-1"))
    nodes = [node("empty"), node("full", free_memory_mib=600, enabled=False)]
    decision = choose(request(), nodes, NOW, random.Random(1), packed)
    assert [each.name for each in decision.candidates] == ["full", "empty"]
    assert [row["name"] for row in decision.reasoning("full")["filters"]] == ["fits_memory", "is_up"]
    assert policy.from_config(SchedulerConfig()) == policy.DEFAULT
    for wrong in ({"filters": "in_orbit"}, {"weighers": "free_beer"}, {"weighers": "free_memory=much"}):
        with pytest.raises(ConfigError):
            policy.from_config(SchedulerConfig(**wrong))


@pytest.mark.parametrize(("expression", "value", "is_met"), [
    ("ssd", "ssd", True), ("ssd", "hdd", False), ("<or> a <or> b c", "b c", True), ("<or> a <or> b", "ab", False),
    ("<in> gpu", "a gpu node", True), ("<all-in> a b", "xaxb", True), ("<all-in> a z", "xaxb", False),
    ("= 4", "8", True), ("== 4", "8", False), (">= 4", "4", True), ("<= 4", "5", False), ("!= 4", "5", True),
    (">= 4", "many", False), ("s== on", "on", True), ("s!= on", "on", False), ("s< b", "a", True), ("", "", True),
])  # fmt: skip
def test_expressions(expression: str, value: str, is_met: bool) -> None:
    assert fits(expression, value) is is_met


def test_nodes_whose_builds_fail_come_last_and_busy_ones_where_it_is_wanted() -> None:
    nodes = [node("failing", failed_builds=1), node("fine", free_memory_mib=600)]
    decision = choose(request(), nodes, NOW, random.Random(1))
    assert [each.name for each in decision.candidates] == ["fine", "failing"]
    calm = policy.from_config(SchedulerConfig(weighers="io_ops=1"))
    asked = request(in_flight={"n1": 2, "n2": 1})
    decision = choose(asked, [node("n1"), node("n2"), node("n3")], NOW, random.Random(1), calm)
    assert [each.name for each in decision.candidates] == ["n3", "n2", "n1"]


@pytest.mark.parametrize(
    ("asked", "refused_by"),
    [
        ({"traits": TraitWishes(frozenset({"A"}))}, None),
        ({"traits": TraitWishes(frozenset({"A", "B"}))}, "has_traits"),
        ({"traits": TraitWishes(forbidden=frozenset({"A"}))}, "has_traits"),
        ({"amounts": Amounts(0, 512, 1, 2, NumaWish((WantedCell((0, 1), 512),), True))}, None),
        ({"amounts": Amounts(0, 512, 1, 3, NumaWish((WantedCell((0, 1, 2), 512),), True))}, "fits_cells"),
        (
            {"amounts": Amounts(0, 512, 1, 2, NumaWish((WantedCell((0, 1), 512),), True, pages=Pages.LARGE))},
            "fits_cells",
        ),
    ],
)
def test_traits_and_cells_are_asked_of_nodes(asked: dict[str, Any], refused_by: str | None) -> None:
    cells = (HostCell(0, 2, frozenset({2, 3}), frozenset({2, 3}), (), {4: 2**18}, {4: 2**18}),)
    known = request(traits_of={"n1": frozenset({"A"})}, cells_of={"n1": cells}, **asked)
    decision = choose(known, [node("n1")], NOW, random.Random(1))
    assert [refusal.filter for refusal in decision.refusals] == ([refused_by] if refused_by else [])
    assert decision.reasoning(None)["nearest_fix"]
