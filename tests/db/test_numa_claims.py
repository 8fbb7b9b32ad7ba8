"""Claims on NUMA cells under any concurrency: no CPU has two owners, no page is promised twice, giving back is exact."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from common.clock import SystemClock
from common.config import DatabaseConfig, SchedulerConfig
from common.db import audit, node_cells, nodes
from common.db.models import Allocation, Node, NodePages, PinnedCpu
from common.db.nodes import Amounts
from common.db.session import Database
from common.hardware.cpu import ThreadPolicy
from common.hardware.numa import NumaWish, Pages, WantedCell
from common.ids import new_id
from tests.db.test_claims import claim, race

CELLS: list[dict[str, Any]] = [
    {
        "id": 0, "cpus": [0, 1, 2, 3, 4, 5], "dedicated": [2, 3, 4, 5], "siblings": [[0, 1], [2, 3], [4, 5]],
        "memory_mib": 4096, "pages": [{"size_kib": 4, "total": 524_288}, {"size_kib": 2048, "total": 512}],
    },
    {
        "id": 1, "cpus": [6, 7, 8, 9], "dedicated": [6, 7, 8, 9], "siblings": [[6, 7], [8, 9]],
        "memory_mib": 2048, "pages": [{"size_kib": 4, "total": 262_144}, {"size_kib": 2048, "total": 256}],
    },
]  # fmt: skip


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    made = Database(DatabaseConfig(url=database_url, pool_size=32, max_overflow=8, busy_timeout_ms=30_000))
    yield made
    made.close()


def enrol(database: Database) -> str:
    """One node: 8 CPUs to dedicate and 768 pages of 2 MiB in two cells."""
    with database.write() as session:
        node = nodes.enrol(
            session, node_id=new_id(), name="n1", address="", secret_hash="", config=SchedulerConfig(),
            now=SystemClock().now(),
        )  # fmt: skip
        node.vcpus, node.memory_mib, node.disk_gib = 2, 8192, 100
        node.pcpus = node_cells.report(session, node.id, CELLS)
        return node.id


def wanting(
    cpus: int, memory_mib: int, *, cells: int = 1, threads: ThreadPolicy = ThreadPolicy.PREFER, large: bool = False
) -> Amounts:
    each = cpus // cells
    wanted = tuple(WantedCell(tuple(range(at * each, (at + 1) * each)), memory_mib // cells) for at in range(cells))
    wish = NumaWish(wanted, True, threads, Pages.LARGE if large else Pages.ORDINARY)
    return Amounts(0, memory_mib, 1, pcpus=cpus, numa=wish)


def assert_exact(database: Database) -> None:
    with database.read() as session:
        claims = list(session.scalars(sa.select(Allocation).where(Allocation.cells.is_not(None))))
        held = [cpu for claim in claims for cpu in (claim.cells or {})["held"]]
        assert sorted(held) == sorted(session.scalars(sa.select(PinnedCpu.cpu)))
        used: dict[tuple[int, int], int] = {}
        for row in claims:
            for cell in (row.cells or {})["cells"]:
                key = cell["host_cell"], (row.cells or {})["page_kib"]
                used[key] = used.get(key, 0) + cell["pages"]
        for pages in session.scalars(sa.select(NodePages)):
            assert pages.used == used.get((pages.cell, pages.size_kib), 0) <= pages.total
        node = session.scalars(sa.select(Node)).one()
        assert node.used_pcpus == sum(row.pcpus for row in claims) <= node.pcpus
        assert list(audit.nodes_used(session)) == list(audit.cells_taken(session)) == []


def test_many_at_once_get_what_there_is_and_nothing_twice(database: Database) -> None:
    node_id = enrol(database)
    consumers = [new_id() for _ in range(16)]
    got = race(lambda number: claim(database, consumers[number], node_id, wanting(2, 64, large=True)), 16)
    assert (got.count(True), got.count(False)) == (4, 12), got
    assert_exact(database)
    owners = [consumer for consumer, ok in zip(consumers, got, strict=True) if ok]
    race(lambda number: database.run(lambda s: nodes.release_all(s, owners[number])), 4)
    assert_exact(database)
    assert claim(database, new_id(), node_id, wanting(8, 1024, cells=2, large=True))
    assert_exact(database)


def test_a_guest_on_two_cells_has_cpus_and_pages_of_both(database: Database) -> None:
    node_id, consumer = enrol(database), new_id()
    assert claim(database, consumer, node_id, wanting(4, 512, cells=2, threads=ThreadPolicy.ISOLATE, large=True))
    with database.read() as session:
        taken = nodes.cells_of(session, consumer, node_id)
    assert taken is not None
    assert [(cell["host_cell"], cell["cpus"], cell["pins"], cell["pages"]) for cell in taken["cells"]] == [
        (0, [0, 1], [2, 4], 128), (1, [2, 3], [6, 8], 128),
    ]  # fmt: skip
    assert taken["held"] == [2, 3, 4, 5, 6, 7, 8, 9]  # the other threads of isolated cores are nobody's
    assert not claim(database, new_id(), node_id, wanting(1, 64))
    assert_exact(database)


def test_pages_run_out_before_cpus_do(database: Database) -> None:
    node_id = enrol(database)
    assert claim(database, new_id(), node_id, wanting(1, 1024, large=True))  # all of cell 0, or it would not fit
    assert not claim(database, new_id(), node_id, wanting(1, 1024, large=True))
    assert claim(database, new_id(), node_id, wanting(1, 512, large=True))
    assert not claim(database, new_id(), node_id, wanting(1, 2, large=True))
    assert claim(database, new_id(), node_id, wanting(1, 2))
    assert_exact(database)


def test_what_a_node_reports_changes_totals_and_never_what_is_taken(database: Database) -> None:
    node_id, consumer = enrol(database), new_id()
    assert claim(database, consumer, node_id, wanting(2, 64, large=True))
    with database.write() as session:
        less = [{**CELLS[0], "dedicated": [4, 5], "pages": [{"size_kib": 2048, "total": 8}]}]
        assert node_cells.report(session, node_id, less) == 2
    with database.read() as session:
        [cell] = node_cells.read(session, node_id)[node_id]
        assert (cell.dedicated, cell.free_pages[2048]) == ({4, 5}, 8 - 32)
    database.run(lambda s: nodes.release_all(s, consumer))
    with database.read() as session:
        [cell] = node_cells.read(session, node_id)[node_id]
        assert (cell.free, cell.free_pages[2048]) == ({4, 5}, 8)


def test_any_order_of_claims_and_releases_stays_exact(database: Database) -> None:
    node_id, chance = enrol(database), random.Random(7)
    living: list[str] = []
    for _ in range(60):
        if living and chance.random() < 0.4:
            gone = living.pop(chance.randrange(len(living)))
            database.run(lambda s, gone=gone: nodes.release_all(s, gone))  # type: ignore[misc]
        else:
            cells = chance.choice((1, 1, 2))
            amounts = wanting(
                cells * chance.randint(1, 2), cells * 2 * chance.randint(1, 200), cells=cells,
                threads=chance.choice(list(ThreadPolicy)), large=chance.random() < 0.5,
            )  # fmt: skip
            consumer = new_id()
            if claim(database, consumer, node_id, amounts):
                living.append(consumer)
    assert living
    assert_exact(database)
