"""list_1000_ms, schedule_p50_ms and claim_p50_ms: what large tables cost. Rows are made in the database directly."""

from __future__ import annotations

import random
import time
from typing import Any

import sqlalchemy as sa

from benchmarks.cloud import BenchCloud, wait_for
from benchmarks.figures import Figure, p
from benchmarks.processes import Meter
from common.bootstrap import derived_id
from common.clock import SystemClock
from common.config import Config
from common.db import nodes
from common.db.models import (
    Instance,
    IpAllocation,
    Node,
    Operation,
    Port,
    PortSecurityGroup,
    SecurityGroup,
    Service,
)
from common.ids import new_id
from common.placement.view import NodeViews
from common.saga.model import StepContext
from common.states import OperationClass, OperationState, VmState
from scheduler.sagas import server_create

SERVERS, OWN, NODES, LISTS, CLAIMS = 100_000, 1_000, 10_000, 20, 200


def list_1000(cloud: BenchCloud) -> Figure:
    """GET /servers/detail, from the first byte asked to the last byte read; each server has a port and an address."""
    _make_servers(cloud)
    client = cloud.client()
    path = f"/compute/v2.1/servers/detail?limit={OWN}"
    times = []
    for number in range(LISTS + 3):
        if number == 3:
            meter = Meter(cloud.groups)
        began = time.perf_counter()
        found = client.request("GET", path)
        times.append((time.perf_counter() - began) * 1000)
        if len(found["servers"]) != OWN or not found["servers"][0]["addresses"]:
            raise RuntimeError(f"listed {len(found['servers'])} servers, or without addresses")
    used = meter.used_ms()
    client.close()
    cpu = {name: round(used[name] / LISTS, 1) for name in ("api", "postgresql")}
    return Figure("list_1000_ms", p(50, times[3:]), 100, more={"p99": p(99, times[3:]), "cpu_ms": cpu})


def placement(cloud: BenchCloud) -> list[Figure]:
    """The step `claim` of a create (choose a node, claim it, write it down) and the claim alone, each with its commit."""
    _make_nodes(cloud)
    views, clock, rng = NodeViews(), SystemClock(), random.Random(1)
    with cloud.db.read() as session:
        nodes_seen = views.current(session, clock.now())
    steps, claims = [], []
    for _ in range(CLAIMS):
        instance_id = _building(cloud)
        began = time.perf_counter()
        with cloud.db.write() as session:
            server_create.claim(session, _context(cloud.config, instance_id, views))
        steps.append((time.perf_counter() - began) * 1000)
        node = rng.choice(nodes_seen)
        began = time.perf_counter()
        with cloud.db.write() as session:
            nodes.claim(
                session, consumer_id=new_id(), node_id=node.id, amounts=nodes.Amounts(1, 128, 1), project_id="p",
                user_id="u", now=clock.now(),
            )  # fmt: skip
        claims.append((time.perf_counter() - began) * 1000)
    return [
        Figure("schedule_p50_ms", p(50, steps), 20, more={"p99": p(99, steps), "nodes": NODES}),
        Figure("claim_p50_ms", p(50, claims), 6, more={"p99": p(99, claims)}),
    ]


def _context(config: Config, instance_id: str, views: NodeViews) -> StepContext:
    now = SystemClock().now()
    operation = Operation(
        id=new_id(), resource_id=instance_id, params={}, error=None, state=OperationState.RUNNING,
        operation_class=OperationClass.EXCLUSIVE,
    )  # fmt: skip
    return StepContext(operation=operation, config=config, now=now, placement=views, results={}, reasoning={})


def _building(cloud: BenchCloud) -> str:
    instance_id, now = new_id(), SystemClock().now()
    with cloud.db.write() as session:
        session.add(
            Instance(
                id=instance_id, project_id="p", user_id="u", name="s", hostname="s", vm_state=VmState.BUILDING,
                flavor_id="f", flavor={"vcpus": 1, "memory_mib": 128, "root_gib": 1}, image={}, created_at=now,
                updated_at=now,
            )
        )  # fmt: skip
    return instance_id


def _make_nodes(cloud: BenchCloud) -> None:
    now, config = SystemClock().now(), cloud.config.scheduler
    first = 1_000_000
    services = [
        {"number": first + n, "id": new_id(), "binary": nodes.COMPUTE_BINARY, "host": f"scale{n}",
         "availability_zone": "nova", "last_seen_at": now, "created_at": now, "updated_at": now}
        for n in range(NODES)
    ]  # fmt: skip
    rows = [
        {"id": new_id(), "name": f"scale{n}", "service_number": first + n, "vcpus": 64, "memory_mib": 262144,
         "disk_gib": 4096, "used_vcpus": n % 64, "inventory": {"cpu_arch": "x86_64"}, "change_seq": n,
         "reserved_memory_mib": config.reserved_memory_mib, "last_heartbeat_at": now, "created_at": now,
         "updated_at": now}
        for n in range(NODES)
    ]  # fmt: skip
    with cloud.db.write() as session:
        session.execute(sa.insert(Service), services)
        session.execute(sa.insert(Node), rows)
    _analyze(cloud)


def _make_servers(cloud: BenchCloud) -> None:
    """Copies of one real server: the first OWN are the project demo's, the others are spread over 99 projects."""
    client = cloud.client()
    body = cloud.server("real", [{"uuid": cloud.network_id}])
    body["server"] |= {"metadata": {"role": "web"}, "tags": ["blue"]}
    real = client.request("POST", "/compute/v2.1/servers", body)["server"]["id"]
    path = f"/compute/v2.1/servers/{real}"
    wait_for("a first server", lambda: client.request("GET", path)["server"]["status"] == "ACTIVE")
    port = cloud.scalar("SELECT id FROM ports WHERE device_id = :real", real=real)
    group = cloud.scalar("SELECT security_group_id FROM port_security_groups WHERE port_id = :port", port=port)
    client.close()
    cloud.stop_all_but_api()
    project = sa.case(
        (_N <= OWN, sa.literal(derived_id(cloud.config, "projects", "demo"))), else_=_id("project", _N % 99)
    )
    of_project = {"project_id": project, "id": _id("instance", _N)}
    with cloud.db.engine.begin() as connection:
        _copy(connection, Instance, Instance.id == real, SERVERS, of_project | {
            "name": sa.func.concat("server-", _N), "created_at": sa.func.now() - _N * sa.text("interval '1 second'"),
        })  # fmt: skip
        _copy(connection, Port, Port.id == port, SERVERS, of_project | {
            "id": _id("port", _N), "device_id": _id("instance", _N),
            "mac_address": sa.func.concat("00:", sa.func.lpad(sa.func.to_hex(_N), 14, "0")),
        })  # fmt: skip
        _copy(connection, IpAllocation, IpAllocation.port_id == port, SERVERS, {
            "port_id": _id("port", _N), "ip_address": sa.func.concat("10.", 100 + _N / 65536, ".", _N / 256 % 256, ".", _N % 256),
        })  # fmt: skip
        _copy(connection, SecurityGroup, SecurityGroup.id == group, 99, {
            "id": _id("group", _N % 99), "project_id": _id("project", _N % 99), "default_of": _id("project", _N % 99),
        })  # fmt: skip
        _copy(connection, PortSecurityGroup, PortSecurityGroup.port_id == port, SERVERS, {
            "port_id": _id("port", _N), "security_group_id": _id("group", _N % 99),
        })  # fmt: skip
    _analyze(cloud)


#: the number of a copy; PostgreSQL divides whole numbers as whole numbers here
_N: sa.ColumnElement[int] = sa.column("n", sa.Integer)


def _id(noun: str, number: sa.ColumnElement[int]) -> sa.ColumnElement[str]:
    return sa.cast(sa.cast(sa.func.md5(sa.func.concat(noun, number)), sa.Uuid), sa.String)


def _copy(
    connection: sa.Connection, model: type[Any], which: sa.ColumnElement[bool], count: int,
    changed: dict[str, sa.ColumnElement[Any]],
) -> None:  # fmt: skip
    """Copy one row `count` times, with these columns made from the copy's number."""
    table: sa.Table = model.__table__
    numbers = sa.func.generate_series(1, count).table_valued(sa.column("n", sa.Integer)).render_derived()
    values = [changed.get(column.name, column).label(column.name) for column in table.columns]
    connection.execute(
        sa.insert(table).from_select([column.name for column in table.columns], sa.select(*values).select_from(
            table.join(numbers, sa.true())
        ).where(which))
    )  # fmt: skip


def _analyze(cloud: BenchCloud) -> None:
    """As autovacuum does some minutes after so many rows."""
    with cloud.db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE")
