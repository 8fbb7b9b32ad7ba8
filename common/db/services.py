"""Services (processes), the nodes behind them, and availability zones, as the compute API shows them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.db import nodes, paging
from common.db.models import Allocation, Instance, Node, Service
from common.errors import NotFound
from common.states import VmState


def is_up(service: Service, now: datetime, down_after_s: float) -> bool:
    """True while the service's last sign of life is younger than `down_after_s` and nobody forced it down."""
    if service.forced_down or service.last_seen_at is None:
        return False
    return (now - service.last_seen_at).total_seconds() <= down_after_s


def list_all(session: Session, *, host: str | None = None, binary: str | None = None) -> list[Service]:
    """The services that the compute API shows: not those of nodes that only do networking."""
    query = sa.select(Service).where(Service.binary != nodes.NETWORK_BINARY).order_by(Service.number)
    if host is not None:
        query = query.where(Service.host == host)
    if binary is not None:
        query = query.where(Service.binary == binary)
    return list(session.scalars(query))


def get(session: Session, service_id: str) -> Service:
    """By its UUID. Raises NotFound."""
    found = session.scalars(sa.select(Service).where(Service.id == service_id)).one_or_none()
    if found is None:
        raise NotFound(f"Service {service_id} could not be found.")
    return found


def by_number(session: Session, number: int) -> Service:
    """By its older id. Raises NotFound."""
    found = session.get(Service, number)
    if found is None:
        raise NotFound(f"Service {number} could not be found.")
    return found


def delete(session: Session, service: Service) -> None:
    """Of no node: those go by common/db/node_removal.py."""
    session.delete(service)
    session.flush()


def by_host_binary(session: Session, host: str, binary: str) -> Service:
    """Raises NotFound."""
    found = session.scalars(sa.select(Service).where(Service.host == host, Service.binary == binary)).one_or_none()
    if found is None:
        raise NotFound(f"Could not find binary {binary} on host {host}.")
    return found


@dataclass(frozen=True)
class ServiceChange:
    """What to set; None leaves as is. Enabling clears the reason."""

    disabled: bool | None = None
    disabled_reason: str | None = None
    forced_down: bool | None = None


def change(session: Session, service: Service, wanted: ServiceChange, now: datetime) -> None:
    """Enable, disable or force down, and let placement see it in the same transaction."""
    if wanted.disabled is not None:
        service.disabled = wanted.disabled
        service.disabled_reason = wanted.disabled_reason if wanted.disabled else None
    if wanted.forced_down is not None:
        service.forced_down = wanted.forced_down
    service.updated_at = now
    session.flush()
    node_id = session.scalars(sa.select(Node.id).where(Node.service_number == service.number)).one_or_none()
    if node_id is not None:
        nodes.touch(session, node_id)


def node_page(session: Session, page: paging.Page, *, name_contains: str | None = None) -> list[tuple[Node, Service]]:
    """Compute nodes with their services, by id, in two statements. Raises InvalidRequest for an unknown marker."""
    query = sa.select(Node).where(Node.is_compute)
    if name_contains is not None:
        query = query.where(Node.name.contains(name_contains, autoescape=True))
    found = paging.fetch(session, query, page, columns={"id": Node.id}, default=(("id", False),), key=Node.id)
    return _with_services(session, found)


def get_node(session: Session, node_id: str) -> tuple[Node, Service]:
    """By id, or by number for microversions before 2.53. Raises NotFound."""
    condition = Node.service_number == int(node_id) if node_id.isdecimal() and len(node_id) < 10 else Node.id == node_id
    row = session.execute(
        sa.select(Node, Service).join(Service, Service.number == Node.service_number).where(condition, Node.is_compute)
    ).one_or_none()
    if row is None:
        raise NotFound(f"Compute host {node_id} could not be found.")
    return row[0], row[1]


def _with_services(session: Session, found: Sequence[Node]) -> list[tuple[Node, Service]]:
    numbers = [node.service_number for node in found]
    services = {row.number: row for row in session.scalars(sa.select(Service).where(Service.number.in_(numbers)))}
    return [(node, services[node.service_number]) for node in found]


@dataclass(frozen=True)
class Load:
    """What the instances on a node are doing: how many there are, and how many have a task."""

    instances: int = 0
    busy: int = 0


def loads(session: Session, node_ids: Sequence[str]) -> dict[str, Load]:
    busy = sa.func.count(Instance.task_state)
    rows = session.execute(
        sa.select(Instance.node_id, sa.func.count(), busy)
        .where(Instance.node_id.in_(node_ids), Instance.deleted.is_(False))
        .group_by(Instance.node_id)
    )
    return {node_id: Load(count, tasks) for node_id, count, tasks in rows if node_id}


def in_flight(session: Session) -> dict[str, int]:
    """How many servers are being built or worked on, by node."""
    rows = session.execute(
        sa.select(Instance.node_id, sa.func.count())
        .where(
            Instance.deleted.is_(False),
            Instance.node_id.is_not(None),
            sa.or_(Instance.task_state.is_not(None), Instance.vm_state == VmState.BUILDING),
        )
        .group_by(Instance.node_id)
    )
    return {node_id: count for node_id, count in rows if node_id}


def claims_by_project(session: Session, node_id: str) -> dict[str, tuple[int, int, int]]:
    """What is claimed on a node, by project: vCPUs, MiB of memory, GiB of disk."""
    rows = session.execute(
        sa.select(
            Allocation.project_id, sa.func.sum(Allocation.vcpus), sa.func.sum(Allocation.memory_mib),
            sa.func.sum(Allocation.disk_gib),
        )
        .where(Allocation.node_id == node_id)
        .group_by(Allocation.project_id)
        .order_by(Allocation.project_id)
    )  # fmt: skip
    return {project_id: (int(vcpus), int(memory), int(disk)) for project_id, vcpus, memory, disk in rows}


def instances_on(session: Session, node_ids: Sequence[str]) -> dict[str, list[tuple[str, str]]]:
    """(id, name) of the living instances on these nodes, by node."""
    rows = session.execute(
        sa.select(Instance.node_id, Instance.id, Instance.name)
        .where(Instance.node_id.in_(node_ids), Instance.deleted.is_(False))
        .order_by(Instance.created_at, Instance.id)
    )
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for node_id, instance_id, name in rows:
        if node_id:
            found[node_id].append((instance_id, name))
    return found


def zone_names(session: Session) -> set[str]:
    """Availability zones that have compute nodes."""
    query = sa.select(Service.availability_zone).where(Service.binary == nodes.COMPUTE_BINARY).distinct()
    return set(session.scalars(query))
