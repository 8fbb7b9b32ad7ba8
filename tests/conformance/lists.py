"""Which of tempest's tests count, by area; lists/ holds them as data, one id a line.

core.txt and rbac.txt are the yardstick, not-counted.txt names what of core.txt is out of scope, each with its reason after a
tab, sample.txt the few that the default test command runs, ec2.txt what waits for an EC2 endpoint, otherwise.txt what counts
and yet will not pass, because another answer is right.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path

_FOLDER = Path(__file__).parent / "lists"


class Area(StrEnum):
    """A part of the yardstick, as it is run and counted; in the order in which they are run."""

    IDENTITY = "identity"
    RBAC = "rbac"
    IMAGE = "image"
    NETWORK = "network"
    COMPUTE = "compute"
    VOLUME = "volume"
    SCENARIO = "scenario"


_PLUGINS = {"keystone_tempest_plugin": Area.IDENTITY, "glance_tempest_plugin": Area.IMAGE,
            "neutron_tempest_plugin": Area.NETWORK, "cinder_tempest_plugin": Area.VOLUME}  # fmt: skip


def name_of(test_id: str) -> str:
    """The id without its tail `[id-…,smoke]`, which follows the configuration."""
    return test_id.split("[", maxsplit=1)[0].strip()


def area_of(name: str) -> Area:
    """Raises ValueError for a test of no known area."""
    parts = name.split(".")
    if "rbac" in parts:
        return Area.RBAC
    if "scenario" in parts:
        return Area.SCENARIO
    if parts[0] in _PLUGINS:
        return _PLUGINS[parts[0]]
    where = parts.index("api") if "api" in parts else 0
    return Area(parts[where + 1])


def counted() -> dict[Area, list[str]]:
    """The tests of every area that count, sorted: the lists less not-counted.txt."""
    skipped = set(not_counted())
    found: dict[Area, list[str]] = {area: [] for area in Area}
    for name in sorted({*_read("core"), *_read("rbac")} - skipped):
        found[area_of(name)].append(name)
    return found


def not_counted() -> dict[str, str]:
    """What is out of scope for now, with the reason."""
    lines = (_FOLDER / "not-counted.txt").read_text().splitlines()
    return {name_of(line): line.split("\t", 1)[1] for line in lines if "\t" in line}


def otherwise() -> list[tuple[str, str]]:
    """What tests' names contain ("*": anything) whose answer would be wrong here, with the reason."""
    lines = (_FOLDER / "otherwise.txt").read_text().splitlines()
    pairs = [line.split("\t", 1) for line in lines if "\t" in line and not line.startswith("#")]
    return [(pattern, reason) for pattern, reason in pairs]


def matching(pattern: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if fnmatchcase(name, f"*{pattern}*")]


def sample() -> list[str]:
    """The fixed sample that needs no guest."""
    return _read("sample")


def some_of(names: Iterable[str], most: int) -> list[str]:
    """At most so many, spread over all, and always the same."""
    chosen = sorted(names, key=lambda name: hashlib.sha256(name.encode()).hexdigest())[:most]
    return sorted(chosen)


def _read(which: str) -> list[str]:
    lines = (_FOLDER / f"{which}.txt").read_text().splitlines()
    return [name_of(line) for line in lines if line.strip() and not line.startswith("#")]
