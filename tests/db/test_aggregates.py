"""What aggregates mean for their nodes stays true when several change at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from common.clock import SystemClock
from common.config import DatabaseConfig
from common.db import aggregates
from common.db.models import Node, Service
from common.db.session import Database
from common.ids import new_id

AGGREGATES, ROUNDS, PATIENCE_S = 4, 5, 60.0


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    made = Database(DatabaseConfig(url=database_url, pool_size=AGGREGATES, busy_timeout_ms=30_000))
    yield made
    made.close()


def furnish(database: Database) -> tuple[str, list[int]]:
    """A node, and the numbers of aggregates that it is in."""
    now, node_id = SystemClock().now(), new_id()
    with database.write() as session:
        service = Service(id=new_id(), binary="nova-compute", host="n", created_at=now, updated_at=now)
        session.add(service)
        session.flush()
        session.add(Node(id=node_id, name="n", service_number=service.number, created_at=now, updated_at=now))
        session.flush()
        made = [aggregates.create(session, f"a{number}", None, now) for number in range(AGGREGATES)]
        for each in made:
            aggregates.add_host(session, each, "n")
        return node_id, [each.number for each in made]


def test_changes_of_several_aggregates_at_once_are_all_seen_by_their_node(database: Database) -> None:
    node_id, numbers = furnish(database)
    now, start = SystemClock().now(), threading.Barrier(AGGREGATES)

    def change(number: int) -> None:
        for round_ in range(ROUNDS):
            start.wait(PATIENCE_S)
            with database.write() as session:
                found = aggregates.get(session, number, hold=True)
                aggregates.set_properties(session, found, {f"key{number}": str(round_)}, now)

    with ThreadPoolExecutor(AGGREGATES) as pool:
        list(pool.map(change, numbers))
    with database.read() as session:
        said = session.get_one(Node, node_id).aggregate_properties
    assert said == {f"key{number}": [str(ROUNDS - 1)] for number in numbers}
