"""Writes docs/api-support.md: every documented call (calls.tsv) with yes, partly and what, or no and why (notes.tsv).

    python -m tests.api_support.page

A call is there when a route answers it. notes.tsv says why one is not, or what of it is missing: service, a regular expression
that the call must match as a whole ("GET /v3/users", "POST /servers/{server_id}/action pause"), "no" or "partly", and the words.
The first line that fits counts; a line with "no" says nothing about a call that is there.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

from api.app import all_apis
from api.routing import Route

PAGE = Path(__file__).parents[2] / "docs/api-support.md"
_HERE = Path(__file__).parent
_TITLES = {
    "identity": "Identity v3 (Keystone)", "compute": "Compute v2.1 (Nova)", "image": "Image v2 (Glance)",
    "network": "Network v2.0 (Neutron)", "volume": "Block storage v3 (Cinder)", "placement": "Placement",
}  # fmt: skip
#: what a documented path begins with, and where that hangs here; the versions' own documents are at the top
_BASES = {
    "identity": "/identity", "compute": "/compute/v2.1", "image": "/image", "network": "/network",
    "volume": "/volume", "placement": "/placement",
}  # fmt: skip
_TOPS = {"/": "/compute", "/{api_version}": "/compute/v2.1"}
#: in a documented path this may stand for a word of the path, not only for an id
_WORDS = ("{resource_type}",)


class Support(StrEnum):
    YES = "yes"
    PARTLY = "partly"
    NO = "no"


@dataclass(frozen=True)
class Call:
    """One documented call; action: the key of the body, or ""."""

    service: str
    method: str
    path: str
    action: str

    @property
    def text(self) -> str:
        return f"{self.method} {self.path} {self.action}".strip()


@dataclass(frozen=True)
class Note:
    service: str
    pattern: re.Pattern[str]
    support: Support
    words: str


@dataclass(frozen=True)
class Line:
    call: Call
    support: Support
    words: str


def calls() -> list[Call]:
    rows = [line.split("\t") for line in _data("calls.tsv")]
    return [Call(row[0], row[1], row[2], row[3] if len(row) > 3 else "") for row in rows]


def notes() -> list[Note]:
    rows = [line.split("\t") for line in _data("notes.tsv")]
    return [Note(row[0], re.compile(row[1]), Support(row[2]), row[3]) for row in rows]


def lines() -> list[Line]:
    every = notes()
    return [_line(call, every) for call in calls()]


def note_of(call: Call, every: Sequence[Note]) -> Note | None:
    """What is said of a call: the first line that fits, of those for calls that are there, or are not."""
    wanted = Support.PARTLY if answers(call) else Support.NO
    fitting = (note for note in every if note.service == call.service and note.pattern.fullmatch(call.text))
    return next((note for note in fitting if note.support is wanted), None)


def _line(call: Call, every: Sequence[Note]) -> Line:
    note = note_of(call, every)
    if answers(call):
        return Line(call, Support.PARTLY, note.words) if note else Line(call, Support.YES, "")
    return Line(call, Support.NO, note.words if note else "")


def answers(call: Call) -> bool:
    """Whether a route does."""
    wanted = _segments(_place(call))
    return any(
        _fits(wanted, path) and call.method in methods and (route.action or "") == call.action
        for path, methods, route in _routes()
    )


def _place(call: Call) -> str:
    if call.service == "compute" and call.path in _TOPS:
        return _TOPS[call.path]
    return (_BASES[call.service] + call.path).rstrip("/")


@cache
def _routes() -> tuple[tuple[tuple[str, ...], frozenset[str], Route], ...]:
    found = []
    for api in all_apis():
        for route in api.routes:
            methods = {route.method, "HEAD"} if route.method == "GET" else {route.method}
            for prefix in (api.prefix, api.project_prefix):
                if prefix == api.prefix or prefix:
                    found.append((_segments(prefix + route.path), frozenset(methods), route))
    return tuple(found)


def _segments(path: str) -> tuple[str, ...]:
    return tuple(part for part in path.split("/") if part)


def _fits(wanted: tuple[str, ...], there: tuple[str, ...]) -> bool:
    """An id fits an id; a word fits itself, and an id of the route that stands for it."""
    if len(wanted) != len(there):
        return False
    return all(own.startswith("<") or own == word or word in _WORDS for word, own in zip(wanted, there, strict=True))


def render() -> str:
    found = lines()
    text = [
        "# API support",
        "",
        "Every call that OpenStack's API references document, and whether Cumulet answers it: told from the route tables by",
        "`python -m tests.api_support.page`, which a test compares with this page. What is there is there with its checks, its",
        "microversions and its errors; a call that would store something and do nothing is refused instead.",
        "",
        "| service | yes | partly | no |",
        "|---|---|---|---|",
    ]
    for service, title in _TITLES.items():
        counts = Counter(line.support for line in found if line.call.service == service)
        text.append(f"| {title} | {counts[Support.YES]} | {counts[Support.PARTLY]} | {counts[Support.NO]} |")
    for service, title in _TITLES.items():
        text += ["", f"## {title}", "", "| call | |", "|---|---|"]
        text += [_row(line) for line in found if line.call.service == service]
    return "\n".join(text) + "\n"


def _row(line: Line) -> str:
    action = f" `{line.call.action}`" if line.call.action else ""
    words = f"{line.support}: {line.words}" if line.words else str(line.support)
    return f"| `{line.call.method} {line.call.path}`{action} | {words} |"


def _data(name: str) -> list[str]:
    return [line for line in (_HERE / name).read_text().splitlines() if line and not line.startswith("#")]


if __name__ == "__main__":
    PAGE.write_text(render())
