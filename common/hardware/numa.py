"""The guest's NUMA cells and what they ask of a node's: CPUs of their own, pages of a size. Source: Nova's hw:numa_*."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from common.errors import InvalidRequest
from common.hardware import cpu
from common.hardware.cpu import CpuPolicy, ThreadPolicy
from common.hardware.wishes import Wish, Wishes, cpu_set, number

SMALL_PAGE_KIB = 4
_PAGES = Wish("hw:mem_page_size", "hw_mem_page_size")
_SIZE = re.compile(r"([0-9]{1,12})(?:([kmgt])i?b?|b)?\Z", re.IGNORECASE)
_UNIT_KIB = {"": 1, "k": 1, "m": 1024, "g": 1024**2, "t": 1024**3}
_MAX_CELLS = 64


class Pages(StrEnum):
    """What the guest's memory may be made of. ORDINARY: nothing is asked for."""

    ORDINARY = "ordinary"
    SMALL = "small"
    LARGE = "large"
    ANY = "any"
    SIZE = "size"


@dataclass(frozen=True)
class WantedCell:
    """cpus: the guest's."""

    cpus: tuple[int, ...]
    memory_mib: int


@dataclass(frozen=True)
class NumaWish:
    """page_kib: with Pages.SIZE."""

    cells: tuple[WantedCell, ...]
    dedicated: bool = False
    threads: ThreadPolicy = ThreadPolicy.PREFER
    pages: Pages = Pages.ORDINARY
    page_kib: int = 0


def read(wishes: Wishes, vcpus: int, memory_mib: int) -> NumaWish | None:
    """None: the guest may be anywhere on a node. Raises InvalidRequest for cells that can't be."""
    policy = cpu.policy(wishes)
    threads = cpu.thread_policy(wishes, policy)
    pages, page_kib = _pages(wishes)
    count = _count(wishes)
    if count is None and policy is CpuPolicy.SHARED and pages is Pages.ORDINARY:
        return None
    cells = _cells(wishes, count or 1, vcpus, memory_mib)
    if page_kib and any(cell.memory_mib * 1024 % page_kib for cell in cells):
        raise InvalidRequest(f"The memory of each NUMA cell must be a multiple of the page size, {page_kib} KiB.")
    return NumaWish(cells, policy is CpuPolicy.DEDICATED, threads, pages, page_kib)


def _count(wishes: Wishes) -> int | None:
    said, asked = wishes.numbers(Wish("hw:numa_nodes", "hw_numa_nodes"), 1)
    if said is not None and asked is not None:
        raise InvalidRequest("The image's hw_numa_nodes is not allowed beside the flavor's hw:numa_nodes.")
    count = said if said is not None else asked
    if count is not None and count > _MAX_CELLS:
        raise InvalidRequest(f"hw:numa_nodes is {count}; at most {_MAX_CELLS} are possible.")
    return count


def _cells(wishes: Wishes, count: int, vcpus: int, memory_mib: int) -> tuple[WantedCell, ...]:
    cpus = [_said(wishes, "numa_cpus", cell) for cell in range(count + 1)]
    memory = [_said(wishes, "numa_mem", cell) for cell in range(count + 1)]
    if cpus[count] is not None or memory[count] is not None:
        raise InvalidRequest(f"NUMA cell {count} is described, but there are only {count} cells, counted from 0.")
    described = [each is not None for each in (*cpus[:count], *memory[:count])]
    if not any(described):
        return _equal(count, vcpus, memory_mib)
    if not all(described):
        raise InvalidRequest("hw:numa_cpus.N and hw:numa_mem.N are needed for each NUMA cell, or for none.")
    cells = tuple(
        WantedCell(
            tuple(sorted(cpu_set(f"hw:numa_cpus.{cell}", cpus[cell] or ""))),
            number(f"hw:numa_mem.{cell}", memory[cell], 1) or 0,
        )
        for cell in range(count)
    )
    _check_whole(cells, vcpus, memory_mib)
    return cells


def _said(wishes: Wishes, what: str, cell: int) -> str | None:
    wish = Wish(f"hw:{what}.{cell}", f"hw_{what}.{cell}")
    said, asked = wishes.flavor_says(wish), wishes.image_says(wish)
    if said is not None and asked is not None:
        raise InvalidRequest(f"The image's {wish.prop} is not allowed beside the flavor's {wish.spec}.")
    return said if said is not None else asked


def _equal(count: int, vcpus: int, memory_mib: int) -> tuple[WantedCell, ...]:
    if vcpus % count or memory_mib % count:
        raise InvalidRequest(
            f"{vcpus} vCPUs and {memory_mib} MiB can't be divided equally into {count} NUMA cells; describe them with "
            "hw:numa_cpus.N and hw:numa_mem.N."
        )
    each = vcpus // count
    return tuple(WantedCell(tuple(range(cell * each, (cell + 1) * each)), memory_mib // count) for cell in range(count))


def _check_whole(cells: tuple[WantedCell, ...], vcpus: int, memory_mib: int) -> None:
    said = [each for cell in cells for each in cell.cpus]
    if not all(cell.cpus for cell in cells):
        raise InvalidRequest("Each NUMA cell needs at least one CPU.")
    if len(said) != len(set(said)):
        raise InvalidRequest("A CPU is in two NUMA cells.")
    if set(said) != set(range(vcpus)):
        raise InvalidRequest(f"The NUMA cells must have the CPUs 0 to {vcpus - 1} of the flavor, each once.")
    if sum(cell.memory_mib for cell in cells) != memory_mib:
        raise InvalidRequest(f"The memory of the NUMA cells must be the flavor's, {memory_mib} MiB, together.")


def _pages(wishes: Wishes) -> tuple[Pages, int]:
    """An image may only narrow what its flavor leaves open: large, or any."""
    said, asked = wishes.flavor_says(_PAGES), wishes.image_says(_PAGES)
    of_flavor = _page_size(_PAGES.spec, said)
    of_image = _page_size(_PAGES.prop, asked)
    if asked is None:
        return of_flavor
    if of_flavor[0] not in (Pages.LARGE, Pages.ANY):
        raise InvalidRequest(
            f"The image's hw_mem_page_size {asked[:32]} is not allowed by its flavor: {said or 'none'}."
        )
    if of_flavor[0] is Pages.LARGE and of_image[0] is Pages.SMALL:
        raise InvalidRequest("The image's hw_mem_page_size is small, and the flavor wants large pages.")
    return of_image


def _page_size(name: str, text: str | None) -> tuple[Pages, int]:
    if text is None:
        return Pages.ORDINARY, 0
    if text.lower() in (Pages.SMALL, Pages.LARGE, Pages.ANY):
        return Pages(text.lower()), 0
    match = _SIZE.match(text)
    if match is None:
        raise InvalidRequest(f"{name} must be small, large, any or a size such as 2MB, not {text[:32]!r}.")
    size_kib = int(match[1]) * _UNIT_KIB[(match[2] or "").lower()]
    if size_kib <= 0:
        raise InvalidRequest(f"{name} must be more than 0.")
    return (Pages.SMALL, 0) if size_kib == SMALL_PAGE_KIB else (Pages.SIZE, size_kib)
