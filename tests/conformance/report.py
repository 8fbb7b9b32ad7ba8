"""docs/conformance.md: the counts by area, from the kept results of whatever commits they were measured at.

Results are kept on the machine that has measured them: what the page says of areas without any here stays.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.conformance import lists
from tests.conformance.lists import Area
from tests.conformance.results import TOP, Kept, Result

PAGE = TOP / "docs/conformance.md"
_AREA = re.compile(r"^\| (\w+) \| (\d+) / \d+ \| \d+ \|.*$", re.MULTILINE)
_MODULE = re.compile(r"^\| ([\w.]+) \| (\d+) \| (\d+) \|$", re.MULTILINE)
_HEAD = """# Conformance

What OpenStack's own tests say: tempest 47 and its keystone, glance, neutron and cinder plugins, a selection spread evenly over
everything (`tests/conformance/lists/`). Counted is the list less `not-counted.txt`, whose {out} tests are out of scope, each
with its reason. A skipped test is not a passed one. Written by `devstack/conformance --report` from the kept results.

    devstack/conformance                       # all areas, against the cloud that devstack/up or devstack/lab has left
    devstack/conformance image                 # one area; stopped and called again it goes on where it was
    devstack/conformance compute --sample 40   # a fixed part of it
    devstack/conformance identity --again      # anew
    devstack/conformance --report              # this page

Results are kept by commit in `~/.local/state/cumulet/conformance` (or `$CUMULET_CONFORMANCE_DIR`). As long as the cloud
has no routers, the runner has servers reached by their address on the network `shared`; `--fixed-network NAME` does that with
any cloud. Where no guests took part the driver was `fake`: servers get ACTIVE and nobody logs in to them. The default test
command runs the {sample} tests of `sample.txt`, which need no guest. Where several commits are named, the area was measured at
the first, and what had not passed again at the later ones: tests that need two nodes on a cloud of two, floating addresses on
one with an external network.

"""


@dataclass(frozen=True)
class Row:
    """One area, as it was measured at `commit`."""

    area: Area
    counted: int
    results: Mapping[str, Result]
    commit: str

    @property
    def counts(self) -> Counter[str]:
        return Counter(result.result for result in self.results.values())


def rows(kept: Sequence[Kept]) -> list[Row]:
    """Every area as it was measured last; of a commit that measured more of it than a later one, nothing is taken."""
    found = []
    for area, names in lists.counted().items():
        wanted = set(names)
        row = Row(area, len(names), {}, "")
        for each in kept:
            results = {name: result for name, result in each.read().items() if name in wanted}
            newest = max((result.at for result in row.results.values()), default="")
            if results and max(result.at for result in results.values()) > newest:
                row = Row(area, len(names), results, each.folder.name)
        found.append(row)
    return found


@dataclass(frozen=True)
class Before:
    """What a page says: the lines of areas, with how many passed; failed and skipped by module."""

    areas: Mapping[str, tuple[str, int]]
    modules: Mapping[str, tuple[int, int]]


def read(page: str) -> Before:
    areas = {found[1]: (found[0], int(found[2])) for found in _AREA.finditer(page)}
    return Before(areas, {found[1]: (int(found[2]), int(found[3])) for found in _MODULE.finditer(page)})


def render(found: Sequence[Row], before: Before) -> str:
    head = _HEAD.format(out=len(lists.not_counted()), sample=len(lists.sample()))
    lines = [
        "| area | passed / counted | failed | skipped | not run | guests | commit | day |",
        "|---|---|---|---|---|---|---|---|",
    ]
    passed = 0
    for row in found:
        line, of_area = _line(row) if row.results else before.areas.get(row.area, _line(row))
        lines.append(line)
        passed += of_area
    lines.append(f"| all | {passed} / {sum(row.counted for row in found)} | | | | | | |")
    return head + "\n".join(lines) + "\n" + _otherwise() + _reasons(found, before)


def _line(row: Row) -> tuple[str, int]:
    """As the page has it, and how many passed."""
    counts, total = row.counts, sum(row.counts.values())
    day = max((result.at for result in row.results.values()), default="")[:10]
    guests = "yes" if total and all(result.guests for result in row.results.values()) else "no"
    line = (
        f"| {row.area} | {counts['passed']} / {row.counted} | {counts['failed']} | {counts['skipped']} "
        f"| {row.counted - total} | {guests} | {row.commit or '-'} | {day or '-'} |"
    )
    return line, counts["passed"]


def _otherwise() -> str:
    every = [name for names in lists.counted().values() for name in names]
    lines = ["", "## What counts and will not pass", "", "| tests | number | why |", "|---|---|---|"]
    for pattern, reason in lists.otherwise():
        lines.append(f"| `{pattern}` | {len(lists.matching(pattern, every))} | {reason} |")
    return "\n".join(lines) + "\n"


def _reasons(found: Sequence[Row], before: Before) -> str:
    """Where the tests that do not pass are: modules with most of them first."""
    lines = ["", "## What does not pass, by module", "", "| module | failed | skipped |", "|---|---|---|"]
    failed: Counter[str] = Counter()
    skipped: Counter[str] = Counter()
    kept = {row.area for row in found if not row.results}
    for module, (failures, skips) in before.modules.items():
        if lists.area_of(f"{module}.Class.test") in kept:
            failed[module], skipped[module] = failures, skips
    for row in found:
        for name, result in row.results.items():
            module = ".".join(name.split(".")[:-2])
            failed[module] += result.result == "failed"
            skipped[module] += result.result == "skipped"
    both = {module: failed[module] + skipped[module] for module in (*failed, *skipped)}
    for module, number in sorted(both.items(), key=lambda item: (-item[1], item[0])):
        if number:
            lines.append(f"| {module} | {failed[module]} | {skipped[module]} |")
    return "\n".join(lines) + "\n" if any(both.values()) else ""


def write(kept: Sequence[Kept]) -> None:
    PAGE.write_text(render(rows(kept), read(PAGE.read_text())))
