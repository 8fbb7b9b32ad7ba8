"""Claims and quota under any order and any concurrency: sums are exact, limits hold, giving back twice is harmless."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy.orm import Session

from common.clock import SystemClock
from common.config import DatabaseConfig, SchedulerConfig
from common.db import nodes, quotas
from common.db.models import Allocation, Node, QuotaUsage
from common.db.nodes import Amounts
from common.db.session import Database
from common.errors import QuotaExceeded
from common.ids import new_id

NODE_NAMES = ("n1", "n2")
CONSUMERS = [new_id() for _ in range(8)]
THREADS = 32
PATIENCE_S = 60.0


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    made = Database(DatabaseConfig(url=database_url, pool_size=THREADS, max_overflow=8, busy_timeout_ms=30_000))
    yield made
    made.close()


def enrol(database: Database, **offers: int) -> dict[str, str]:
    """Two nodes with 4 vCPUs (16 may be claimed), 4096 MiB and 50 GiB; ids by name."""
    with database.write() as session:
        found = {}
        for name in NODE_NAMES:
            node = nodes.enrol(
                session, node_id=new_id(), name=name, address="", secret_hash="", config=SchedulerConfig(),
                now=SystemClock().now(),
            )  # fmt: skip
            node.vcpus, node.memory_mib, node.disk_gib = (offers.get(key, value) for key, value in _OFFERS.items())
            found[name] = node.id
        return found


_OFFERS = {"vcpus": 4, "memory_mib": 4096, "disk_gib": 50}


def claim(database: Database, consumer: str, node_id: str, amounts: Amounts, purpose: str = "instance") -> bool:
    return database.run(
        lambda s: nodes.claim(
            s, consumer_id=consumer, node_id=node_id, amounts=amounts, project_id="p", user_id="u",
            now=SystemClock().now(), purpose=purpose,
        )
    )  # fmt: skip


def assert_exact(database: Database) -> None:
    """used_* equals the sum of the allocations, and is within what may be claimed."""
    with database.read() as session:
        for node in session.scalars(sa.select(Node)):
            rows = list(session.scalars(sa.select(Allocation).where(Allocation.node_id == node.id)))
            used = (node.used_vcpus, node.used_memory_mib, node.used_disk_gib)
            assert used == tuple(sum(getattr(row, key) for row in rows) for key in _OFFERS)
            assert node.used_vcpus <= node.vcpus * node.cpu_ratio
            assert node.used_memory_mib <= (node.memory_mib - node.reserved_memory_mib) * node.memory_ratio
            assert node.used_disk_gib <= (node.disk_gib - node.reserved_disk_gib) * node.disk_ratio


def claims_machine(database: Database, ids: dict[str, str]) -> type[RuleBasedStateMachine]:
    class Claims(RuleBasedStateMachine):
        """A model beside the tables: what is claimed, by (consumer, node, purpose)."""

        def __init__(self) -> None:
            super().__init__()
            self.model: dict[tuple[str, str, str], Amounts] = {}
            for consumer in CONSUMERS:
                database.run(lambda s, consumer=consumer: nodes.release_all(s, consumer))  # type: ignore[misc]

        @rule(
            consumer=st.sampled_from(CONSUMERS), node=st.sampled_from(NODE_NAMES),
            purpose=st.sampled_from(["instance", "resize"]),
            amounts=st.builds(Amounts, st.integers(0, 9), st.integers(0, 2000), st.integers(0, 30)),
        )  # fmt: skip
        def claim(self, consumer: str, node: str, purpose: str, amounts: Amounts) -> None:
            key = (consumer, node, purpose)
            held = [a for (_, at, _), a in self.model.items() if at == node]
            fits = (
                sum(a.vcpus for a in held) + amounts.vcpus <= 16
                and sum(a.memory_mib for a in held) + amounts.memory_mib <= 4096 - 512
                and sum(a.disk_gib for a in held) + amounts.disk_gib <= 50 - 2
            )
            assert claim(database, consumer, ids[node], amounts, purpose) == (key in self.model or fits)
            if key not in self.model and fits:
                self.model[key] = amounts

        @rule(
            consumer=st.sampled_from(CONSUMERS), node=st.sampled_from(NODE_NAMES),
            purpose=st.sampled_from(["instance", "resize"]),
        )  # fmt: skip
        def release(self, consumer: str, node: str, purpose: str) -> None:
            there = self.model.pop((consumer, node, purpose), None) is not None
            given = database.run(lambda s: nodes.release(s, consumer_id=consumer, node_id=ids[node], purpose=purpose))
            assert given == there

        @rule(consumer=st.sampled_from(CONSUMERS))
        def release_all(self, consumer: str) -> None:
            database.run(lambda s: nodes.release_all(s, consumer))
            self.model = {key: value for key, value in self.model.items() if key[0] != consumer}

        @rule(consumer=st.sampled_from(CONSUMERS))
        def lose_a_transaction(self, consumer: str) -> None:
            """What is rolled back has never been."""

            def work(session: Session) -> None:
                nodes.release_all(session, consumer)
                raise ZeroDivisionError

            with pytest.raises(ZeroDivisionError):
                database.run(work)

        @invariant()
        def exact(self) -> None:
            assert_exact(database)

    return Claims


def test_claims_in_any_order(database: Database) -> None:
    ids = enrol(database)
    run_state_machine_as_test(
        claims_machine(database, ids),
        settings=settings(
            max_examples=6, stateful_step_count=25, deadline=None, derandomize=True,
            suppress_health_check=list(HealthCheck), database=None,
        ),
    )  # fmt: skip


def race(work: Callable[[int], Any], count: int = THREADS) -> list[Any]:
    """Run work(0 … count-1), all at once; what each returned or raised."""
    start = threading.Barrier(count)
    results: list[Any] = [None] * count

    def one(number: int) -> None:
        start.wait(PATIENCE_S)
        try:
            results[number] = work(number)
        except Exception as err:  # noqa: BLE001 - the test looks at it
            results[number] = err

    threads = [threading.Thread(target=one, args=(number,), daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
    return results


def test_threads_racing_for_the_last_places(database: Database) -> None:
    """Each asks for 1000 MiB of the 3584 that may be claimed of n1: three get it, whoever they are."""
    ids = enrol(database)
    got = race(lambda number: claim(database, new_id(), ids["n1"], Amounts(1, 1000, 1)))
    assert (got.count(True), got.count(False)) == (3, THREADS - 3), got
    assert_exact(database)


def test_the_same_claim_made_by_many(database: Database) -> None:
    ids = enrol(database)
    got = race(lambda number: claim(database, CONSUMERS[0], ids["n1"], Amounts(1, 100, 1)), 8)
    assert got == [True] * 8
    with database.read() as session:
        assert session.scalar(sa.select(Node.used_memory_mib).where(Node.name == "n1")) == 100
    given = race(lambda number: database.run(
        lambda s: nodes.release(s, consumer_id=CONSUMERS[0], node_id=ids["n1"])
    ), 8)  # fmt: skip
    assert sorted(map(str, given)) == ["False"] * 7 + ["True"]
    assert_exact(database)


def test_quota_is_exact_with_threads(database: Database) -> None:
    """DOS-07: exactly the limit succeeds; what is given back can be taken again."""
    limits = {"instances": 10, "cores": 1000}

    def take(number: int) -> bool:
        try:
            database.run(lambda s: quotas.take(s, "p", {"instances": 1, "cores": 2}, limits))
        except QuotaExceeded:
            return False
        return True

    got = race(take)
    assert (got.count(True), got.count(False)) == (10, THREADS - 10), got
    assert usage(database) == {"instances": 10, "cores": 20}  # a refused take leaves nothing of the other resource

    def give_and_take(number: int) -> bool:
        database.run(lambda s: quotas.release(s, "p", {"instances": 1, "cores": 2}))
        return take(number)

    assert race(give_and_take, 10).count(True) == 10
    assert usage(database) == {"instances": 10, "cores": 20}
    race(lambda number: database.run(lambda s: quotas.release(s, "p", {"instances": 1, "cores": 2})), 10)
    assert usage(database) == {"instances": 0, "cores": 0}


def test_quota_without_limit_and_of_none(database: Database) -> None:
    with database.write() as session:
        quotas.take(session, "p", {"instances": 10_000}, {"instances": -1})
        with pytest.raises(QuotaExceeded):
            quotas.take(session, "q", {"instances": 1}, {"instances": 0})


def usage(database: Database) -> dict[str, int]:
    with database.read() as session:
        return {row.resource: row.in_use for row in session.scalars(sa.select(QuotaUsage)) if row.project_id == "p"}
