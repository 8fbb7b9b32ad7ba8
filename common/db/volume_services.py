"""The services of block storage as its API shows them: every compute node serves the volumes in its folder.

A node is `cinder-volume`, once for each of its back ends (host `NODE@files`), and, if it keeps backups, `cinder-backup`; a
scheduler process is `cinder-scheduler`. They are alive as the processes behind them are; only what an administrator says
is kept here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.db import node_life
from common.db.models import Node, Service, Volume, VolumeServiceState, VolumeSnapshot
from common.db.nodes import COMPUTE_BINARY
from common.db.scheduler_services import SCHEDULER_BINARY
from common.errors import NotFound
from common.volume_capabilities import backends_of

VOLUME_BINARY, BACKUP_BINARY, SCHEDULER = "cinder-volume", "cinder-backup", "cinder-scheduler"
DEFAULT_ZONE = "nova"


@dataclass(frozen=True)
class VolumeService:
    binary: str
    host: str
    zone: str
    last_seen_at: datetime | None
    created_at: datetime
    disabled: bool
    disabled_reason: str | None
    frozen: bool
    updated_at: datetime | None


@dataclass(frozen=True)
class Pool:
    """A node's folder of volumes, as one back end. Capacities in GiB; allocated: to servers, volumes and snapshots."""

    node_name: str
    backend: str
    total_gib: int
    allocated_gib: int
    reserved_gib: int
    last_heartbeat_at: datetime | None
    enabled: bool


@dataclass(frozen=True)
class BackupNode:
    """A node that keeps backups. service: where. shared: all nodes with that service see them. closed: "" or why it
    makes no new ones."""

    id: str
    name: str
    service: str
    shared: bool
    up: bool
    closed: str


@dataclass(frozen=True)
class HostUse:
    """What one project, or all (""), has on a node."""

    project_id: str
    volumes: int
    volume_gib: int
    snapshots: int
    snapshot_gib: int


def host_of(node_name: str, backend: str) -> str:
    return f"{node_name}@{backend}"


def pool_of(node_name: str, backend: str) -> str:
    return f"{host_of(node_name, backend)}#{backend}"


def node_of(host: str) -> str:
    """The node's name in any of its forms: node, node@backend, node@backend#pool."""
    return host.partition("@")[0]


def list_all(session: Session, *, host: str | None = None, binary: str | None = None) -> list[VolumeService]:
    """By binary and host; `host` also finds NODE@files by NODE."""
    states = _states(session)
    inventories: dict[str, Mapping[str, Any]] = {
        row.name: row.inventory for row in session.execute(sa.select(Node.name, Node.inventory))
    }
    found: list[VolumeService] = []
    rows = session.scalars(
        sa.select(Service).where(Service.binary.in_((COMPUTE_BINARY, SCHEDULER_BINARY))).order_by(Service.number)
    )
    for row in rows:
        if row.binary == SCHEDULER_BINARY:
            found.append(_service(SCHEDULER, row.host, row, states))
        else:
            hosts = [host_of(row.host, backend) for backend in backends_of(inventories.get(row.host, {}))]
            found += [_service(VOLUME_BINARY, host, row, states) for host in hosts]
            if inventories.get(row.host, {}).get("backups"):
                found.append(_service(BACKUP_BINARY, row.host, row, states))
    return [
        each
        for each in sorted(found, key=lambda each: (each.binary, each.host))
        if binary in (None, each.binary) and (host is None or host in (each.host, node_of(each.host)))
    ]


def _states(session: Session) -> dict[tuple[str, str], VolumeServiceState]:
    return {(row.binary, row.host): row for row in session.scalars(sa.select(VolumeServiceState))}


def _service(
    binary: str, host: str, row: Service, states: Mapping[tuple[str, str], VolumeServiceState]
) -> VolumeService:
    state = states.get((binary, host))
    return VolumeService(
        binary=binary,
        host=host,
        zone=DEFAULT_ZONE,
        last_seen_at=None if row.forced_down else row.last_seen_at,
        created_at=row.created_at,
        disabled=state.disabled if state else False,
        disabled_reason=state.disabled_reason if state else None,
        frozen=state.frozen if state else False,
        updated_at=state.updated_at if state else None,
    )


def find(session: Session, host: str, binary: str) -> VolumeService:
    """Raises NotFound."""
    found = list_all(session, host=host, binary=binary)
    if not found:
        raise NotFound(f"Service {binary[:64]} could not be found on host {host[:255]}.")
    return found[0]


def set_disabled(
    session: Session, service: VolumeService, reason: str | None, now: datetime, *, disabled: bool
) -> None:
    """Enabling forgets the reason."""
    state = _state(session, service, now)
    state.disabled, state.disabled_reason, state.updated_at = disabled, reason if disabled else None, now


def set_frozen(session: Session, service: VolumeService, now: datetime, *, frozen: bool) -> None:
    state = _state(session, service, now)
    state.frozen, state.updated_at = frozen, now


def _state(session: Session, service: VolumeService, now: datetime) -> VolumeServiceState:
    key = (service.binary, service.host)
    found = session.get(VolumeServiceState, key, with_for_update=True)
    if found is None:
        found = VolumeServiceState(
            binary=service.binary, host=service.host, disabled=False, disabled_reason=None, frozen=False, updated_at=now
        )
        session.add(found)
        session.flush()
    return found


def closed_nodes(session: Session, binary: str) -> dict[str, str]:
    """Nodes that get none of what a service does, by name: why, in a word or with the administrator's reason."""
    return {node_of(host): reason for host, reason in closed_hosts(session, binary).items()}


def closed_hosts(session: Session, binary: str = VOLUME_BINARY) -> dict[str, str]:
    """Back ends (NODE@BACKEND) that get no new volumes: why, in a word or with the administrator's reason."""
    query = sa.select(VolumeServiceState).where(
        VolumeServiceState.binary == binary, sa.or_(VolumeServiceState.disabled, VolumeServiceState.frozen)
    )
    return {
        row.host: (row.disabled_reason or "disabled") if row.disabled else "frozen" for row in session.scalars(query)
    }


def _keeps_backups() -> sa.ColumnElement[bool]:
    return sa.func.coalesce(Node.inventory["backups"].as_string(), "") != ""


def backup_nodes(session: Session, now: datetime) -> list[BackupNode]:
    """All that keep backups, by name."""
    down, closed = node_life.down(session, now), closed_nodes(session, BACKUP_BINARY)
    query = sa.select(Node.id, Node.name, Node.inventory).where(_keeps_backups()).order_by(Node.name)
    return [
        BackupNode(
            row[0], row[1], str(row[2]["backups"]), bool(row[2].get("shared_backups")), row[0] not in down,
            closed.get(row[1], ""),
        )
        for row in session.execute(query)
    ]  # fmt: skip


def pools(session: Session) -> list[Pool]:
    """One for each back end of each node, by the node's name."""
    closed = closed_hosts(session)
    query = sa.select(
        Node.name, Node.disk_gib, Node.used_disk_gib, Node.reserved_disk_gib, Node.last_heartbeat_at,
        Node.inventory,
    ).where(Node.is_compute)  # fmt: skip
    return [
        Pool(
            node_name=row.name,
            backend=backend,
            total_gib=row.disk_gib,
            allocated_gib=row.used_disk_gib,
            reserved_gib=row.reserved_disk_gib,
            last_heartbeat_at=row.last_heartbeat_at,
            enabled=host_of(row.name, backend) not in closed,
        )
        for row in session.execute(query.order_by(Node.name))
        for backend in backends_of(row.inventory)
    ]


@dataclass(frozen=True)
class Managed:
    """A volume or snapshot on a node, as its file is named. volume_*: of a snapshot's volume."""

    id: str
    disk_format: str
    size_gib: int
    volume_id: str = ""
    volume_format: str = ""


def managed_on(session: Session, node_name: str, backend: str, *, snapshots: bool) -> list[Managed]:
    """What a back end of a node has, oldest first."""
    if not snapshots:
        query = sa.select(Volume.id, Volume.disk_format, Volume.size_gib).where(
            Volume.node_name == node_name, Volume.backend == backend, Volume.deleted.is_(False)
        )
        return [Managed(*row) for row in session.execute(query.order_by(Volume.created_at, Volume.id))]
    of_snapshots = (
        sa.select(VolumeSnapshot.id, VolumeSnapshot.disk_format, VolumeSnapshot.size_gib, Volume.id, Volume.disk_format)
        .join(Volume, Volume.id == VolumeSnapshot.volume_id)
        .where(VolumeSnapshot.node_name == node_name, Volume.backend == backend, VolumeSnapshot.deleted.is_(False))
    )
    rows = session.execute(of_snapshots.order_by(VolumeSnapshot.created_at, VolumeSnapshot.id))
    return [Managed(*row) for row in rows]


def use_of(session: Session, node_name: str) -> list[HostUse]:
    """What is on a node: altogether first, then by project. Raises NotFound for no such node."""
    if session.scalar(sa.select(Node.id).where(Node.name == node_name, Node.is_compute)) is None:
        raise NotFound(f"Host {node_name[:255]} could not be found.")
    made = _counted(session, Volume, node_name)
    taken = _counted(session, VolumeSnapshot, node_name)
    by_project = [
        HostUse(project_id, *made.get(project_id, (0, 0)), *taken.get(project_id, (0, 0)))
        for project_id in sorted(made.keys() | taken.keys())
    ]
    total = HostUse(
        "", sum(each.volumes for each in by_project), sum(each.volume_gib for each in by_project),
        sum(each.snapshots for each in by_project), sum(each.snapshot_gib for each in by_project),
    )  # fmt: skip
    return [total, *by_project]


def _counted(
    session: Session, model: type[Volume] | type[VolumeSnapshot], node_name: str
) -> dict[str, tuple[int, int]]:
    query = sa.select(model.project_id, sa.func.count(), sa.func.sum(model.size_gib)).where(
        model.node_name == node_name, model.deleted.is_(False)
    )
    return {row[0]: (row[1], int(row[2])) for row in session.execute(query.group_by(model.project_id))}
