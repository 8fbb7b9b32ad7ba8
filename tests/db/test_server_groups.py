"""The late check of a group's policy: claims of one group are made one after the other, whatever schedulers do."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from common.clock import SystemClock
from common.config import DatabaseConfig
from common.context import RequestContext
from common.db import server_groups
from common.db.models import Instance, Node, Service
from common.db.session import Database
from common.ids import new_id

SERVERS, NODES, PATIENCE_S = 12, 4, 60.0


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    made = Database(DatabaseConfig(url=database_url, pool_size=SERVERS, max_overflow=8, busy_timeout_ms=30_000))
    yield made
    made.close()


def furnish(database: Database) -> tuple[list[str], list[str]]:
    """Ids of nodes, and of servers in one group of policy anti-affinity."""
    now, context = SystemClock().now(), RequestContext(request_id="req", user_id="u", project_id="p")
    nodes, servers = [new_id() for _ in range(NODES)], [new_id() for _ in range(SERVERS)]
    with database.write() as session:
        for number, node_id in enumerate(nodes):
            service = Service(id=new_id(), binary="nova-compute", host=f"n{number}", created_at=now, updated_at=now)
            session.add(service)
            session.flush()
            session.add(
                Node(id=node_id, name=f"n{number}", service_number=service.number, created_at=now, updated_at=now)
            )
        for server_id in servers:
            session.add(
                Instance(
                    id=server_id, project_id="p", user_id="u", name="s", hostname="s", vm_state="building",
                    flavor_id="f", flavor={}, created_at=now, updated_at=now,
                )
            )  # fmt: skip
        session.flush()
        group = server_groups.create(
            session, context, name="g", policy="anti-affinity", max_per_node=None, limits={"server_groups": 5}, now=now
        )
        server_groups.join(session, group, servers, -1)
    return nodes, servers


def test_no_two_of_a_group_choose_one_node(database: Database) -> None:
    nodes, servers = furnish(database)
    start = threading.Barrier(SERVERS)

    def place(server_id: str) -> str | None:
        start.wait(PATIENCE_S)
        with database.write() as session:
            found = server_groups.occupancy(session, server_id)
            assert found is not None
            free = [node_id for node_id in nodes if not found.members.get(node_id)]
            if not free:
                return None
            session.get_one(Instance, server_id).node_id = free[0]
            return free[0]

    with ThreadPoolExecutor(SERVERS) as pool:
        chosen = [node_id for node_id in pool.map(place, servers) if node_id]
    assert sorted(chosen) == sorted(nodes)
