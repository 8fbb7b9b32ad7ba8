"""docs/conformance.md: the counts by area, from the kept results of whatever commits they were measured at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.conformance import lists
from tests.conformance.lists import Area
from tests.conformance.results import TOP, Kept, Result

PAGE = TOP / "docs/conformance.md"
_HEAD = """# Conformance

What OpenStack's own tests say: tempest 47 and its keystone, glance, neutron and cinder plugins, a selection spread evenly over
everything (`tests/conformance/lists/`). Counted is the list less `not-counted.txt`, whose {out} tests are out of scope, each
with its reason. A skipped test is not a passed one. Written by `devstack/conformance --report` from the kept results.

    devstack/conformance                       # all areas, against the cloud that devstack/up or devstack/lab has left
    devstack/conformance image                 # one area; stopped and called again it goes on where it was
    devstack/conformance compute --sample 40   # a fixed part of it
    devstack/conformance identity --again      # anew
    devstack/conformance --report              # this page

Results are kept by commit in `~/.local/state/cumulet/conformance` (or `$CUMULET_CONFORMANCE_DIR`); an area of which none are
kept there stays as this page has it. As long as the cloud
has no routers, the runner has servers reached by their address on the network `shared`; `--fixed-network NAME` does that with
any cloud. Where no guests took part the driver was `fake`: servers get ACTIVE and nobody logs in to them. The default test
command runs the {sample} tests of `sample.txt`, which need no guest.

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
class Earlier:
    """What the page says already: by area its line and how many passed, and by module how many failed and were skipped."""

    lines: Mapping[Area, str] = field(default_factory=dict)
    passed: Mapping[Area, int] = field(default_factory=dict)
    modules: Mapping[str, tuple[int, int]] = field(default_factory=dict)


def earlier(page: str) -> Earlier:
    """Read from the page's own tables."""
    lines, passed, modules = {}, {}, {}
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if cells[0] in set(Area):
            lines[Area(cells[0])], passed[Area(cells[0])] = line, int(cells[1].partition("/")[0])
        elif len(cells) == 3 and "." in cells[0] and cells[1].isdigit() and cells[2].isdigit():
            modules[cells[0]] = int(cells[1]), int(cells[2])
    return Earlier(lines, passed, modules)


def render(found: Sequence[Row], before: Earlier | None = None) -> str:
    """before: what stays of areas that have no result now."""
    before = before or Earlier()
    head = _HEAD.format(out=len(lists.not_counted()), sample=len(lists.sample()))
    lines = [
        "| area | passed / counted | failed | skipped | not run | guests | commit | day |",
        "|---|---|---|---|---|---|---|---|",
    ]
    passed = 0
    for row in found:
        counts, total = row.counts, sum(row.counts.values())
        if not total and row.area in before.lines:
            passed += before.passed[row.area]
            lines.append(before.lines[row.area])
            continue
        passed += counts["passed"]
        day = max((result.at for result in row.results.values()), default="")[:10]
        guests = "yes" if total and all(result.guests for result in row.results.values()) else "no"
        lines.append(
            f"| {row.area} | {counts['passed']} / {row.counted} | {counts['failed']} | {counts['skipped']} "
            f"| {row.counted - total} | {guests} | {row.commit or '-'} | {day or '-'} |"
        )
    lines.append(f"| all | {passed} / {sum(row.counted for row in found)} | | | | | | |")
    return head + "\n".join(lines) + "\n" + _otherwise() + _reasons(found, before)


def _otherwise() -> str:
    every = [name for names in lists.counted().values() for name in names]
    lines = ["", "## What counts and will not pass", "", "| tests | number | why |", "|---|---|---|"]
    for pattern, reason in lists.otherwise():
        lines.append(f"| `{pattern}` | {len(lists.matching(pattern, every))} | {reason} |")
    return "\n".join(lines) + "\n"


def _reasons(found: Sequence[Row], before: Earlier) -> str:
    """Where the tests that do not pass are: modules with most of them first."""
    lines = ["", "## What does not pass, by module", "", "| module | failed | skipped |", "|---|---|---|"]
    failed: Counter[str] = Counter()
    skipped: Counter[str] = Counter()
    unmeasured = {row.area for row in found if not row.results}
    for module, numbers in before.modules.items():
        if lists.area_of(f"{module}.Class.test") in unmeasured:
            failed[module], skipped[module] = numbers
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
    PAGE.write_text(render(rows(kept), earlier(PAGE.read_text())))
