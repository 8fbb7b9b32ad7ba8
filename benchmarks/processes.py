"""What processes use, from /proc: CPU time of a group of them, and memory as its proportional share."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

_TICK_MS = 1000 / os.sysconf("SC_CLK_TCK")
_GONE = (FileNotFoundError, ProcessLookupError)


def cpu_ms(pids: Iterable[int]) -> float:
    """User and system time of these processes and all below them, those that have ended included."""
    return sum(_stat_ms(pid) for pid in with_children(pids))


def pss_mib(pids: Iterable[int]) -> float:
    """Memory of these processes and all below them, in MiB; pages that several share count once in the sum."""
    total_kib = 0
    for pid in with_children(pids):
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except _GONE:
            continue
        total_kib += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total_kib / 1024


def with_children(pids: Iterable[int]) -> list[int]:
    found: list[int] = []
    left = list(pids)
    while left:
        pid = left.pop()
        found.append(pid)
        try:
            tasks = os.listdir(f"/proc/{pid}/task")
            for task in tasks:
                left += [int(child) for child in Path(f"/proc/{pid}/task/{task}/children").read_text().split()]
        except _GONE:
            continue
    return found


class Meter:
    """CPU time by named group between two moments."""

    def __init__(self, groups: Mapping[str, Iterable[int]]) -> None:
        self._groups = {name: list(pids) for name, pids in groups.items()}
        self._before = self._now()

    def used_ms(self) -> dict[str, float]:
        """By group, since the meter was made."""
        now = self._now()
        return {name: now[name] - self._before[name] for name in now}

    def total_ms(self, group: str) -> float:
        """Of a group, since its processes began."""
        return self._now()[group]

    def _now(self) -> dict[str, float]:
        own = os.times()
        client_ms = (own.user + own.system) * 1000
        return {**{name: cpu_ms(pids) for name, pids in self._groups.items()}, "client": client_ms}


def _stat_ms(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except _GONE:
        return 0.0
    return sum(int(ticks) for ticks in fields[11:15]) * _TICK_MS  # utime stime cutime cstime
