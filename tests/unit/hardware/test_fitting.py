"""Guests on NUMA cells: whatever the topology, what is placed is free, whole and nobody else's; what could be, is."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from common.hardware import fitting
from common.hardware.cpu import ThreadPolicy
from common.hardware.fitting import HostCell, Place
from common.hardware.numa import NumaWish, Pages, WantedCell

MIB_4K = 256  # pages


@st.composite
def host_cells(draw: st.DrawFn) -> tuple[HostCell, ...]:
    """Up to four cells with up to eight CPUs, one or two threads a core, part of them dedicated, part of those taken."""
    cells, first = [], 0
    for number in range(draw(st.integers(1, 4))):
        count, threads = draw(st.integers(1, 8)), draw(st.sampled_from((1, 2)))
        cpus = range(first, first + count)
        first += count
        siblings = [frozenset(cpus[at : at + threads]) for at in range(0, count, threads)] if threads > 1 else []
        dedicated = draw(st.sets(st.sampled_from(cpus)))
        free = draw(st.sets(st.sampled_from(sorted(dedicated)))) if dedicated else set()
        pages = {4: draw(st.integers(0, 2048)), 2048: draw(st.integers(0, 4))}
        cells.append(
            HostCell(
                number, count - len(dedicated), frozenset(dedicated), frozenset(free),
                tuple(each for each in siblings if len(each) > 1), pages, pages,
            )
        )  # fmt: skip
    return tuple(cells)


@st.composite
def wishes(draw: st.DrawFn) -> NumaWish:
    cells, first = [], 0
    for _ in range(draw(st.integers(1, 3))):
        count = draw(st.integers(1, 4))
        cells.append(WantedCell(tuple(range(first, first + count)), draw(st.integers(1, 6))))
        first += count
    pages = draw(st.sampled_from((Pages.ORDINARY, Pages.SMALL, Pages.LARGE, Pages.ANY, Pages.SIZE)))
    dedicated = draw(st.booleans())
    threads = draw(st.sampled_from(ThreadPolicy)) if dedicated else ThreadPolicy.PREFER
    return NumaWish(tuple(cells), dedicated, threads, pages, 2048 if pages is Pages.SIZE else 0)


@given(wish=wishes(), cells=host_cells())
def test_what_is_placed_is_free_whole_and_apart(wish: NumaWish, cells: tuple[HostCell, ...]) -> None:
    place = fitting.fit(wish, cells)
    if place is None:
        return
    by_id = {cell.id: cell for cell in cells}
    assert len({each.host_cell for each in place.cells}) == len(wish.cells) == len(place.cells)
    for wanted, each in zip(wish.cells, place.cells, strict=True):
        host = by_id[each.host_cell]
        assert each.wanted == wanted
        assert each.pages * place.page_kib == wanted.memory_mib * 1024
        assert each.pages <= host.free_pages[place.page_kib]
        assert len(set(each.pins)) == (len(wanted.cpus) if wish.dedicated else 0)
        assert set(each.pins) <= set(each.held) <= host.free
        if wish.dedicated and wish.threads is ThreadPolicy.ISOLATE:
            cores = {next((core for core in host.siblings if cpu in core), frozenset({cpu})) for cpu in each.pins}
            assert len(cores) == len(each.pins)
            assert all(core & host.dedicated <= set(each.held) for core in cores)
        if wish.dedicated and wish.threads is ThreadPolicy.REQUIRE:
            assert all(any(cpu in core for core in host.siblings) for cpu in each.pins)
    assert place.page_kib == {Pages.ORDINARY: 4, Pages.SMALL: 4, Pages.SIZE: 2048}.get(wish.pages, place.page_kib)
    assert wish.pages is not Pages.LARGE or place.page_kib > 4


@given(wish=wishes(), cells=host_cells())
def test_what_could_be_placed_is(wish: NumaWish, cells: tuple[HostCell, ...]) -> None:
    """By trying every order of host cells, one guest cell after the other."""

    def alone(wanted: WantedCell, cell: HostCell, page_kib: int) -> bool:
        one = replace(wish, cells=(wanted,), pages=Pages.SIZE, page_kib=page_kib)
        return fitting.fit(one, [cell]) is not None

    sizes = {Pages.ORDINARY: (4,), Pages.SMALL: (4,), Pages.LARGE: (2048,), Pages.ANY: (2048, 4), Pages.SIZE: (2048,)}
    possible = any(
        all(alone(wanted, cell, size) for wanted, cell in zip(wish.cells, order, strict=True))
        for size in sizes[wish.pages]
        for order in permutations(cells, len(wish.cells))
    )
    assert (fitting.fit(wish, cells) is not None) == possible


@given(wish=wishes(), cells=host_cells())
def test_one_after_the_other_until_it_is_full_and_never_twice_the_same(
    wish: NumaWish, cells: tuple[HostCell, ...]
) -> None:
    held: set[int] = set()
    pages: dict[tuple[int, int], int] = {}
    left: tuple[HostCell, ...] = cells
    places: list[Place] = []
    while (place := fitting.fit(wish, left)) is not None and len(places) < 50:
        places.append(place)
        for each in place.cells:
            assert not held.intersection(each.held)
            held.update(each.held)
            key = each.host_cell, place.page_kib
            pages[key] = pages.get(key, 0) + each.pages
        left = fitting.after(place, left)
    assert all(used <= cells[cell].pages[size] for (cell, size), used in pages.items())


def test_pairs_of_threads_are_used_up_before_single_ones() -> None:
    cell = HostCell(
        0, 0, frozenset(range(6)), frozenset({0, 2, 3, 4, 5}), (frozenset({0, 1}), frozenset({2, 3}), frozenset({4, 5}))
    )  # fmt: skip
    assert fitting.pin(ThreadPolicy.PREFER, 2, cell) == ((2, 3), (2, 3))
    assert fitting.pin(ThreadPolicy.ISOLATE, 2, cell) == ((2, 4), (2, 3, 4, 5))
    assert fitting.pin(ThreadPolicy.ISOLATE, 3, cell) is None
    assert fitting.pin(ThreadPolicy.REQUIRE, 4, cell) == ((2, 3, 4, 5), (2, 3, 4, 5))
    assert fitting.pin(ThreadPolicy.REQUIRE, 5, cell) is None


def test_the_refusal_says_what_was_wanted_and_what_there_is() -> None:
    wish = NumaWish((WantedCell((0, 1), 512),), True, ThreadPolicy.ISOLATE, Pages.LARGE)
    text = fitting.wanted_text(wish, [HostCell(0, 2, frozenset({2}), frozenset({2}), free_pages={4: 9, 2048: 3})])
    assert text == (
        "wanted in a NUMA cell each: 2 CPUs of its own (isolate threads) and 512 MiB in large pages. "
        "Free are: cell 0: 1 CPUs, 9 pages of 4 KiB, 3 pages of 2048 KiB"
    )
