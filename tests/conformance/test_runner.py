"""The lists, the kept results and the page: what counting means, with nothing run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance import lists, report, results
from tests.conformance.lists import Area
from tests.conformance.results import Kept, Result
from tests.conformance.runner import _parts


def test_every_counted_test_is_in_one_area() -> None:
    counted = lists.counted()
    every = [name for names in counted.values() for name in names]
    assert len(every) == len(set(every))
    assert all(counted.values())
    assert not set(every) & set(lists.not_counted())
    assert all(lists.not_counted().values()), "each is out for a reason"


def test_whatever_will_not_pass_is_there_and_has_a_reason() -> None:
    every = [name for names in lists.counted().values() for name in names]
    for pattern, reason in lists.otherwise():
        assert lists.matching(pattern, every), pattern
        assert reason


@pytest.mark.parametrize(
    ("name", "area"),
    [
        ("tempest.api.compute.test_quotas.T.test_a", Area.COMPUTE),
        ("tempest.scenario.test_a.T.test_a", Area.SCENARIO),
        ("neutron_tempest_plugin.scenario.test_a.T.test_a", Area.SCENARIO),
        ("neutron_tempest_plugin.api.admin.test_a.T.test_a", Area.NETWORK),
        ("glance_tempest_plugin.rbac.v2.test_a.T.test_a", Area.RBAC),
    ],
)
def test_areas(name: str, area: Area) -> None:
    assert lists.area_of(name) is area


def test_a_sample_is_always_the_same_and_spread() -> None:
    names = [f"t{number}" for number in range(100)]
    assert lists.some_of(names, 5) == lists.some_of(reversed(names), 5)
    assert lists.some_of(names, 5) != names[:5]
    assert len(lists.sample()) <= 40


def test_a_class_stays_with_one_worker() -> None:
    tests = [f"m.C{of_class}.t{number}" for of_class in range(30) for number in range(3)]
    parts = _parts(tests, 2)
    assert sorted(test for part in parts for test in part) == sorted(tests)
    owners = [{test.rsplit(".", 1)[0] for test in part} for part in parts]
    assert sum(len(each) for each in owners) == 30
    assert len(parts) >= 2


def test_kept_results_survive_a_crash_and_the_newest_wins(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "abc")
    kept.add(Result("a", "failed", "why"))
    kept.add(Result("b", "passed"))
    kept.add(Result("a", "passed"))
    with (kept.folder / "results.jsonl").open("a") as file:
        file.write('{"test": "c", "res')
    assert {name: each.result for name, each in kept.read().items()} == {"a": "passed", "b": "passed"}
    kept.forget({"a"})
    assert set(kept.read()) == {"b"}


def test_the_page_takes_each_area_as_it_was_measured_last(tmp_path: Path) -> None:
    image, network = (lists.counted()[area] for area in (Area.IMAGE, Area.NETWORK))
    old, new = Kept(tmp_path / "old"), Kept(tmp_path / "new")
    for name in (image[0], image[1], network[0]):
        old.add(Result(name, "passed"))
    lines = (old.folder / "results.jsonl").read_text().replace('"at": "2', '"at": "1')
    (old.folder / "results.jsonl").write_text(lines)
    new.add(Result(image[0], "failed", "why"))
    text = report.render(report.rows([old, new]), report.read(""))
    assert f"| image | 0 / {len(image)} | 1 | 0 | {len(image) - 1} | yes | new |" in text
    assert f"| network | 1 / {len(network)} | 0 | 0 | {len(network) - 1} | yes | old |" in text
    module = ".".join(image[0].split(".")[:-2])
    assert f"| {module} | 1 | 0 |" in text
    elsewhere = report.render(report.rows([Kept(tmp_path / "none")]), report.read(text))
    assert elsewhere == text, "what was measured on another machine stays"


def test_the_page_is_there_and_names_every_area() -> None:
    text = report.PAGE.read_text()
    for area, names in lists.counted().items():
        assert f"| {area} | " in text
        assert f" / {len(names)} |" in text, "run devstack/conformance --report"


def test_results_go_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CUMULET_CONFORMANCE_DIR", str(tmp_path))
    assert results.of_commit("abc").folder == tmp_path / "abc"
