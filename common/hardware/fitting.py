"""Does a guest fit the NUMA cells of a node, and where would it be? Pure; asked of a view, and again under the claim.

Each guest cell gets a host cell of its own. All of a guest's memory is made of pages of one size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from common.hardware.cpu import ThreadPolicy
from common.hardware.numa import SMALL_PAGE_KIB, NumaWish, Pages, WantedCell

KIB_PER_MIB = 1024


@dataclass(frozen=True)
class HostCell:
    """shared: how many CPUs serve guests without their own. dedicated: the others; free: of those nobody has.

    siblings: the threads of each core that has several. free_pages: by size in KiB.
    """

    id: int
    shared: int = 0
    dedicated: frozenset[int] = frozenset()
    free: frozenset[int] = frozenset()
    siblings: tuple[frozenset[int], ...] = ()
    free_pages: Mapping[int, int] = field(default_factory=dict)
    pages: Mapping[int, int] = field(default_factory=dict)  # free and taken ones

    def emptied(self) -> HostCell:
        """As it would be if nobody had anything of it."""
        return replace(self, free=self.dedicated, free_pages=self.pages)


@dataclass(frozen=True)
class PlacedCell:
    """pins: one host CPU for each of the wanted cell's CPUs, in their order. held: all that nobody else may have."""

    wanted: WantedCell
    host_cell: int
    pins: tuple[int, ...] = ()
    held: tuple[int, ...] = ()
    pages: int = 0


@dataclass(frozen=True)
class Place:
    page_kib: int
    cells: tuple[PlacedCell, ...]


def fit(wish: NumaWish, cells: Sequence[HostCell]) -> Place | None:
    """Where the guest would be, the largest pages that are allowed first; None: nowhere."""
    for page_kib in _sizes(wish, cells):
        options = [
            {cell.id: placed for cell in cells if (placed := _placed(wish, wanted, cell, page_kib)) is not None}
            for wanted in wish.cells
        ]
        chosen = _match(options)
        if chosen is not None:
            return Place(page_kib, tuple(options[index][cell_id] for index, cell_id in enumerate(chosen)))
    return None


def after(place: Place, cells: Sequence[HostCell]) -> tuple[HostCell, ...]:
    """The cells when the place is taken."""
    taken = {cell.host_cell: cell for cell in place.cells}

    def left(cell: HostCell) -> HostCell:
        if cell.id not in taken:
            return cell
        pages = {**cell.free_pages, place.page_kib: cell.free_pages[place.page_kib] - taken[cell.id].pages}
        return replace(cell, free=cell.free.difference(taken[cell.id].held), free_pages=pages)

    return tuple(left(cell) for cell in cells)


def wanted_text(wish: NumaWish, cells: Sequence[HostCell]) -> str:
    """What was wanted and what there is, cell by cell, in words for administrators."""
    size = {Pages.ORDINARY: "", Pages.SIZE: f" in pages of {wish.page_kib} KiB"}.get(
        wish.pages, f" in {wish.pages} pages"
    )
    own = " of its own" if wish.dedicated else ""
    threads = f" ({wish.threads} threads)" if wish.dedicated and wish.threads is not ThreadPolicy.PREFER else ""
    parts = [f"{len(cell.cpus)} CPUs{own}{threads} and {cell.memory_mib} MiB{size}" for cell in wish.cells]
    has = [
        f"cell {cell.id}: {len(cell.free) if wish.dedicated else cell.shared} CPUs, "
        + ", ".join(f"{count} pages of {kib} KiB" for kib, count in sorted(cell.free_pages.items()))
        for cell in cells
    ]
    return f"wanted in a NUMA cell each: {'; '.join(parts)}. Free are: {'; '.join(has) or 'no cells known'}"


def _sizes(wish: NumaWish, cells: Sequence[HostCell]) -> list[int]:
    if wish.pages is Pages.SIZE:
        return [wish.page_kib]
    if wish.pages in (Pages.ORDINARY, Pages.SMALL):
        return [SMALL_PAGE_KIB]
    large = sorted({size for cell in cells for size in cell.free_pages if size > SMALL_PAGE_KIB}, reverse=True)
    return large if wish.pages is Pages.LARGE else [*large, SMALL_PAGE_KIB]


def _placed(wish: NumaWish, wanted: WantedCell, cell: HostCell, page_kib: int) -> PlacedCell | None:
    pages, rest = divmod(wanted.memory_mib * KIB_PER_MIB, page_kib)
    if rest or pages > cell.free_pages.get(page_kib, 0):
        return None
    if not wish.dedicated:
        return PlacedCell(wanted, cell.id, pages=pages) if len(wanted.cpus) <= cell.shared else None
    pinned = pin(wish.threads, len(wanted.cpus), cell)
    return None if pinned is None else PlacedCell(wanted, cell.id, *pinned, pages)


def pin(policy: ThreadPolicy, count: int, cell: HostCell) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """The CPUs for `count` vCPUs, and all that are then held; None: there are too few."""
    cores = _cores(cell)
    if policy is ThreadPolicy.ISOLATE:
        whole = [core for core in cores if core <= cell.free]
        if len(whole) < count:
            return None
        taken = whole[:count]
        return tuple(min(core) for core in taken), tuple(sorted(cpu for core in taken for cpu in core))
    if policy is ThreadPolicy.REQUIRE:
        cores = [core for core in cores if len(core) > 1 and core <= cell.free]
    fullest_first = sorted(cores, key=lambda core: (-len(core & cell.free), min(core)))
    order = [cpu for core in fullest_first for cpu in sorted(core & cell.free)]
    return (tuple(order[:count]), tuple(sorted(order[:count]))) if len(order) >= count else None


def _cores(cell: HostCell) -> list[frozenset[int]]:
    """The dedicated CPUs, threads of one core together; a core that is partly shared counts with its dedicated part."""
    together = [threads & cell.dedicated for threads in cell.siblings if threads & cell.dedicated]
    single = cell.dedicated.difference(*together)
    return sorted([*together, *(frozenset({cpu}) for cpu in single)], key=min)


def _match(options: Sequence[Mapping[int, PlacedCell]]) -> list[int] | None:
    """A different host cell for each guest cell (bipartite matching by augmenting paths), or None."""
    taken_by: dict[int, int] = {}

    def place(index: int, seen: set[int]) -> bool:
        for cell_id in sorted(options[index], key=lambda each: each in taken_by):  # who is there stays, if possible
            if cell_id in seen:
                continue
            seen.add(cell_id)
            if cell_id not in taken_by or place(taken_by[cell_id], seen):
                taken_by[cell_id] = index
                return True
        return False

    if not all(place(index, set()) for index in range(len(options))):
        return None
    cell_of = {index: cell_id for cell_id, index in taken_by.items()}
    return [cell_of[index] for index in range(len(options))]
