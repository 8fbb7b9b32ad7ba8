"""list_1000_ms, schedule_p50_ms and claim_p50_ms: what large tables cost. Rows are made in the database directly."""

from __future__ import annotations

import json
import random
import time

import sqlalchemy as sa

from benchmarks.cloud import BenchCloud
from benchmarks.figures import Figure, p
from benchmarks.processes import Meter
from common.bootstrap import derived_id
from common.clock import SystemClock
from common.config import Config
from common.db import nodes
from common.db.models import Instance, Node, Operation, Service
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
    """The first OWN are the project demo's, the others are spread over 99 projects; copies of one real server."""
    own = derived_id(cloud.config, "projects", "demo")
    values = {
        "own": own, "count": SERVERS, "few": OWN, "network": cloud.network_id, "image": cloud.image_id,
        "subnet": cloud.scalar("SELECT id FROM subnets WHERE network_id = :network", network=cloud.network_id),
        "node": cloud.scalar("SELECT id FROM nodes ORDER BY name LIMIT 1"),
        "flavor": json.dumps(_FLAVOR), "copy": json.dumps(_IMAGE), "metadata": '{"role": "web"}', "tags": '["blue"]',
    }  # fmt: skip
    with cloud.db.engine.begin() as connection:
        for statement in (_INSTANCES, _PORTS, _ADDRESSES, _GROUPS, _MEMBERS):
            connection.execute(sa.text(statement), values)
    _analyze(cloud)


def _analyze(cloud: BenchCloud) -> None:
    """As autovacuum does some minutes after so many rows."""
    with cloud.db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE")


_FLAVOR = {
    "id": "c1.tiny", "name": "c1.tiny", "vcpus": 1, "memory_mib": 128, "root_gib": 1, "ephemeral_gib": 0,
    "swap_mib": 0, "rxtx_factor": 1.0, "is_public": True, "disabled": False, "description": None, "extra_specs": {},
}  # fmt: skip
_IMAGE = {"id": "i", "name": "guest", "sha512": "0" * 128, "size_bytes": 4096, "disk_format": "qcow2", "properties": {}}
_ID = "md5('{}' || n)::uuid::text"
_PROJECT = "CASE WHEN n <= :few THEN :own ELSE md5('project' || n % 99) END"
_INSTANCES = f"""
INSERT INTO instances (id, project_id, user_id, name, hostname, vm_state, power_state, node_id, node_name, epoch,
    generation, flavor_id, flavor, image_id, image, config_drive, properties, tags, availability_zone,
    scheduler_hints, disk_config, access_ip_v4, access_ip_v6, locked, progress, reservation_id, launch_index, deleted,
    created_at, updated_at, launched_at)
SELECT {_ID.format("instance")}, {_PROJECT}, 'user', 'server-' || n, 'server-' || n, 'active', 1, :node, 'node1', 1,
    2, 'c1.tiny', CAST(:flavor AS json), :image, CAST(:copy AS json), false, CAST(:metadata AS json),
    CAST(:tags AS json), 'nova', '{{}}', 'MANUAL', '', '', false, 100, 'r-1', 0, false,
    now() - n * interval '1 second', now(), now()
FROM generate_series(1, :count) AS n"""
_PORTS = f"""
INSERT INTO ports (id, network_id, project_id, name, description, admin_state_up, status, mac_address, device_id,
    device_owner, delete_with_instance, nic_order, binding_epoch, binding_profile, vnic_type, port_security_enabled,
    allowed_address_pairs, extra_dhcp_opts, dns_name, revision_number, created_at, updated_at)
SELECT {_ID.format("port")}, :network, {_PROJECT}, '', '', true, 'ACTIVE', '00:' || lpad(to_hex(n), 14, '0'),
    {_ID.format("instance")}, 'compute:nova', true, 0, 1, '{{}}', 'normal', true, '[]', '[]', 'server', 1, now(), now()
FROM generate_series(1, :count) AS n"""
_ADDRESSES = f"""
INSERT INTO ip_allocations (subnet_id, ip_address, network_id, port_id, position)
SELECT :subnet, '10.' || 100 + n / 65536 || '.' || n / 256 % 256 || '.' || n % 256, :network, {_ID.format("port")}, 0
FROM generate_series(1, :count) AS n"""
_GROUPS = """
INSERT INTO security_groups (id, project_id, name, description, stateful, revision_number, created_at, updated_at)
SELECT md5('group' || n)::uuid::text, md5('project' || n), 'default', '', true, 1, now(), now()
FROM generate_series(0, 98) AS n"""
_MEMBERS = f"""
INSERT INTO port_security_groups (port_id, security_group_id)
SELECT {_ID.format("port")}, md5('group' || n % 99)::uuid::text FROM generate_series(1, :count) AS n"""
