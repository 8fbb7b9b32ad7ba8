"""This machine's NUMA cells: CPUs, threads of cores, and memory pages, as the kernel tells them in /sys."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from common.errors import ConfigError, InvalidRequest
from common.hardware.numa import SMALL_PAGE_KIB
from common.hardware.wishes import cpu_set
from common.rpc.compute_v1 import NumaCell, Pages

SYSTEM = Path("/sys/devices/system")
_HUGE = re.compile(r"hugepages-([0-9]+)kB\Z")


def dedicated_cpus(text: str) -> frozenset[int]:
    """[agent] dedicated_cpus. Raises ConfigError."""
    if not text.strip():
        return frozenset()
    try:
        return cpu_set("[agent] dedicated_cpus", text)
    except InvalidRequest as err:
        raise ConfigError(err.message) from err


def shared_cpus(dedicated: str) -> frozenset[int]:
    """This machine's CPUs beside those of [agent] dedicated_cpus; none when nothing is dedicated. Raises ConfigError."""
    own = dedicated_cpus(dedicated)
    return frozenset(range(os.cpu_count() or 1)) - own if own else frozenset()


def read(dedicated: frozenset[int] = frozenset(), system: Path = SYSTEM) -> list[NumaCell]:
    """By number. Raises ConfigError when a CPU is to be dedicated that the machine doesn't have."""
    cells = [_cell(folder, dedicated) for folder in _folders(system)]
    cells.sort(key=lambda cell: cell.id)
    there = {cpu for cell in cells for cpu in cell.cpus}
    if missing := sorted(dedicated - there):
        raise ConfigError(f"[agent] dedicated_cpus: this machine has no CPU {missing[0]}")
    return cells


def _folders(system: Path) -> Iterable[Path]:
    return (folder for folder in (system / "node").glob("node[0-9]*") if (folder / "cpulist").exists())


def _cell(folder: Path, dedicated: frozenset[int]) -> NumaCell:
    number = int(folder.name.removeprefix("node"))
    listed = (folder / "cpulist").read_text().strip()
    cpus = sorted(cpu_set("cpulist", listed)) if listed else []
    memory_kib = _memory_kib(folder / "meminfo")
    large = sorted(_large_pages(folder / "hugepages"))
    small = max(memory_kib - sum(size * count for size, count in large), 0) // SMALL_PAGE_KIB
    return NumaCell(
        id=number,
        cpus=cpus,
        dedicated=sorted(dedicated.intersection(cpus)),
        siblings=_siblings(folder, cpus),
        memory_mib=memory_kib // 1024,
        pages=[Pages(size_kib=SMALL_PAGE_KIB, total=small), *(Pages(size_kib=s, total=n) for s, n in large)],
    )


def _memory_kib(path: Path) -> int:
    for line in path.read_text().splitlines():
        if "MemTotal:" in line:
            return int(line.split()[3])
    return 0


def _large_pages(folder: Path) -> Iterable[tuple[int, int]]:
    """(size in KiB, how many are reserved)"""
    for path in folder.glob("hugepages-*"):
        match = _HUGE.match(path.name)
        if match is not None:
            yield int(match[1]), int((path / "nr_hugepages").read_text())


def _siblings(folder: Path, cpus: Iterable[int]) -> list[list[int]]:
    found: set[tuple[int, ...]] = set()
    for cpu in cpus:
        path = folder / f"cpu{cpu}" / "topology" / "thread_siblings_list"
        if path.exists():
            found.add(tuple(sorted(cpu_set("thread_siblings_list", path.read_text().strip()))))
    return [list(threads) for threads in sorted(found) if len(threads) > 1]
