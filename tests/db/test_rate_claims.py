"""Claims of bandwidth under concurrency: never more than is declared, exact sums, giving back twice is harmless."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from common.config import DatabaseConfig
from common.db import audit, network_rates, nodes
from common.db.models import NodeRate
from common.db.nodes import Amounts
from common.db.session import Database
from common.guarantees import Rate, RateClass, Wish
from common.ids import new_id
from tests.db.test_claims import THREADS, claim, enrol, race

NETWORK = "physnet1"


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    made = Database(DatabaseConfig(url=database_url, pool_size=THREADS, max_overflow=8, busy_timeout_ms=30_000))
    yield made
    made.close()


def declare(database: Database, node_id: str, **amounts: int) -> None:
    declared = [
        {"physical_network": NETWORK, "resource": RateClass[name], "amount": amount} for name, amount in amounts.items()
    ]
    database.run(lambda session: network_rates.report(session, node_id, declared))


def wish(port_id: str, **amounts: int) -> tuple[Wish, ...]:
    return tuple(Wish(port_id, Rate(NETWORK, RateClass[name], amount)) for name, amount in amounts.items())


def used(database: Database, node_id: str) -> dict[str, tuple[int, int]]:
    with database.read() as session:
        rows = session.scalars(sa.select(NodeRate).where(NodeRate.node_id == node_id))
        found = {RateClass(row.resource).name: (row.used, row.total) for row in rows}
        assert list(audit.rates_claimed(session)) == list(audit.nodes_used(session)) == []
        return found


def test_threads_racing_for_the_last_of_it(database: Database) -> None:
    """Each asks for 300 in and 1 out; of 1000 in three get it. The others have nothing of the node, also no memory."""
    node = enrol(database)["n1"]
    declare(database, node, BANDWIDTH_IN=1000, BANDWIDTH_OUT=1000)
    asked = [wish(new_id(), BANDWIDTH_OUT=1, BANDWIDTH_IN=300) for _ in range(THREADS)]
    got = race(lambda number: claim(database, new_id(), node, Amounts(0, 1, 0, rates=asked[number])))
    assert (got.count(True), got.count(False)) == (3, THREADS - 3), got
    assert used(database, node) == {"BANDWIDTH_IN": (900, 1000), "BANDWIDTH_OUT": (3, 1000)}


def test_rules_that_change_race_with_servers_that_come_and_go(database: Database) -> None:
    node = enrol(database)["n1"]
    declare(database, node, BANDWIDTH_IN=1000)
    consumers, ports = [new_id() for _ in range(8)], [new_id() for _ in range(8)]

    def one(number: int) -> None:
        consumer, port = consumers[number % 8], ports[number % 8]
        for round_ in range(3):
            claim(database, consumer, node, Amounts(0, 1, 0, rates=wish(port, BANDWIDTH_IN=100 + number)))
            database.run(
                lambda s: network_rates.adjust(s, consumer, node, wish(port, BANDWIDTH_IN=400 - 100 * round_))  # noqa: B023
            )
            database.run(lambda s: nodes.release(s, consumer_id=consumer, node_id=node))

    assert race(one, 16) == [None] * 16
    database.run(lambda s: [nodes.release_all(s, each) for each in consumers])
    assert used(database, node) == {"BANDWIDTH_IN": (0, 1000)}


def test_what_is_declared_no_longer_is_given_back_all_the_same(database: Database) -> None:
    node, consumer, port = enrol(database)["n1"], new_id(), new_id()
    declare(database, node, BANDWIDTH_IN=1000)
    assert claim(database, consumer, node, Amounts(0, 1, 0, rates=wish(port, BANDWIDTH_IN=800)))
    assert claim(database, consumer, node, Amounts(0, 1, 0, rates=wish(port, BANDWIDTH_IN=800)), "resize")  # not twice
    declare(database, node)
    assert used(database, node) == {"BANDWIDTH_IN": (800, 0)}
    for amount, short in ((900, True), (500, False)):
        asked = wish(port, BANDWIDTH_IN=amount)
        assert (database.run(lambda s: network_rates.settle(s, consumer, node, asked)) is not None) is short  # noqa: B023
    for purpose, left in (("instance", 500), ("resize", 0), ("resize", 0)):
        database.run(lambda s: nodes.release(s, consumer_id=consumer, node_id=node, purpose=purpose))  # noqa: B023
        assert used(database, node) == {"BANDWIDTH_IN": (left, 0)}
