"""Nodes and claims. used_* change only in the transaction that inserts or deletes a row of `allocations`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.config import SchedulerConfig
from common.db import network_rates, network_state, node_cells
from common.db.models import Allocation, Node, Service
from common.db.upsert import insert_ignore
from common.guarantees import Wish
from common.hardware.numa import NumaWish
from common.ids import new_id
from common.volume_capabilities import RBD, backends_of

COMPUTE_BINARY = "nova-compute"
PLACED = "instance"  # the purpose of the claim that every server on a node has
NETWORK_BINARY = "cumulet-network"  # of a node that is not for instances; OpenStack's compute API has no such service


@dataclass(frozen=True)
class Amounts:
    """What is claimed. memory in MiB, disk in GiB; pcpus: CPUs for itself, which are not among vcpus.

    numa: what is asked of the node's cells; that is found and taken with the rest. rates: what the consumer's ports are
    to be promised, in all, whatever else it has claimed there.
    """

    vcpus: int
    memory_mib: int
    disk_gib: int
    pcpus: int = 0
    numa: NumaWish | None = None
    rates: tuple[Wish, ...] = ()


def enrol(
    session: Session,
    *,
    node_id: str,
    name: str,
    address: str,
    secret_hash: str,
    config: SchedulerConfig,
    now: datetime,
    is_compute: bool = True,
    is_gateway: bool = False,
) -> Node:
    """Make a node known to this cloud, or give a known one a new secret and roles. Heartbeats of others are refused."""
    node = by_name(session, name)
    if node is not None:
        _enrol_again(session, node, address or node.address, is_compute=is_compute, is_gateway=is_gateway)
        node.secret_hash, node.updated_at = secret_hash, now
        return node
    service = Service(
        id=new_id(), binary=_binary(is_compute), host=name, availability_zone="nova", created_at=now, updated_at=now
    )
    session.add(service)
    session.flush()
    node = Node(
        id=node_id,
        name=name,
        service_number=service.number,
        address=address,
        secret_hash=secret_hash,
        is_compute=is_compute,
        is_gateway=is_gateway,
        cpu_ratio=config.cpu_ratio,
        memory_ratio=config.memory_ratio,
        disk_ratio=config.disk_ratio,
        own_ratios={"cpu": config.cpu_ratio, "memory": config.memory_ratio, "disk": config.disk_ratio},
        reserved_memory_mib=config.reserved_memory_mib,
        reserved_disk_gib=config.reserved_disk_gib,
        inventory={},
        created_at=now,
        updated_at=now,
    )
    session.add(node)
    session.flush()
    if is_gateway:
        network_state.touch_all(session)
    return node


def _enrol_again(session: Session, node: Node, address: str, *, is_compute: bool, is_gateway: bool) -> None:
    if node.is_gateway != is_gateway:
        network_state.touch_all(session)
    elif node.address != address:
        network_state.touch_neighbours(session, node.id)
    if node.is_compute != is_compute:
        session.execute(
            sa.update(Service).where(Service.number == node.service_number).values(binary=_binary(is_compute))
        )
    node.address, node.is_compute, node.is_gateway = address, is_compute, is_gateway
    node.change_seq = next_seq()
    session.flush()


def _binary(is_compute: bool) -> str:
    return COMPUTE_BINARY if is_compute else NETWORK_BINARY


def by_name(session: Session, name: str) -> Node | None:
    return session.scalars(sa.select(Node).where(Node.name == name)).one_or_none()


def has_shared_instances(session: Session, node_id: str) -> bool:
    """True when other nodes can reach the disks of this node's instances; as its agent last said."""
    inventory = session.connection().execute(_INVENTORY, {"node": node_id}).scalar()
    return bool((inventory or {}).get("shared_instances"))


_INVENTORY = sa.select(Node.inventory).where(Node.id == sa.bindparam("node"))


def get(session: Session, node_id: str) -> Node | None:
    return session.get(Node, node_id)


def with_services(session: Session) -> list[tuple[Node, Service]]:
    """All nodes with their services, by name."""
    query = sa.select(Node, Service).join(Service, Service.number == Node.service_number).order_by(Node.name)
    return [(node, service) for node, service in session.execute(query)]


def for_placement(session: Session, since_seq: int | None) -> Sequence[Any]:
    """What placement sees of nodes, whatever their roles; since_seq: only of those that changed after it, None: of all."""
    connection = session.connection()  # columns only: thousands of rows at a time
    if since_seq is None:
        return connection.execute(_FOR_PLACEMENT).all()
    return connection.execute(_CHANGED, {"seq": since_seq}).all()


_FOR_PLACEMENT = sa.select(
    Node.id, Node.name, Node.change_seq, Node.is_compute, Node.vcpus, Node.memory_mib, Node.disk_gib, Node.used_vcpus,
    Node.used_memory_mib, Node.used_disk_gib, Node.cpu_ratio, Node.memory_ratio, Node.disk_ratio,
    Node.reserved_memory_mib, Node.reserved_disk_gib, Node.failed_builds, Node.inventory["cpu_arch"].as_string().label("arch"),
    Node.inventory["hypervisor_type"].as_string().label("hypervisor_type"), Node.aggregate_properties,
    Node.inventory["volume_backends"].label("volume_backends"),
    Service.disabled, Service.disabled_reason, Service.forced_down, Service.last_seen_at, Service.availability_zone,
).join(Service, Service.number == Node.service_number)  # fmt: skip
_CHANGED = _FOR_PLACEMENT.where(Node.change_seq > sa.bindparam("seq"))


def reaching(session: Session, backend: str) -> frozenset[str]:
    """Ids of the nodes whose guests can have volumes of the back end `nbd` or `rbd`, wherever they are."""
    if backend == RBD:
        rows = session.execute(sa.select(Node.id, Node.inventory).where(Node.is_compute))
        return frozenset(node_id for node_id, inventory in rows if RBD in backends_of(inventory))
    has_address = sa.func.coalesce(Node.inventory["nbd_address"].as_string(), "") != ""
    return frozenset(session.scalars(sa.select(Node.id).where(has_address)))


def next_seq() -> Any:
    """The value of change_seq for a row that changes now. Equal values may come of concurrent writers: readers overlap."""
    return sa.select(sa.func.coalesce(sa.func.max(Node.change_seq), 0) + 1).scalar_subquery()


def touch(session: Session, node_id: str) -> None:
    """Make placement see the node again: its service was enabled, disabled or forced down."""
    session.execute(
        sa.update(Node)
        .where(Node.id == node_id)
        .values(change_seq=next_seq())
        .execution_options(synchronize_session=False)
    )


def heartbeat(
    session: Session,
    node: Node,
    *,
    address: str,
    inventory: dict[str, Any],
    boot_id: str,
    domains: int,
    network_applied: int,
    now: datetime,
) -> None:
    """Write a sign of life, and what the node has. change_seq rises only when placement should look again."""
    values: dict[str, Any] = {
        "last_heartbeat_at": now,
        "inventory": inventory,
        "boot_id": boot_id,
        "domains_seen": domains,
        "vcpus": inventory["vcpus"],
        "memory_mib": inventory["memory_mib"],
        "disk_gib": inventory["disk_gib"],
        "network_applied": network_applied,  # also when it is lower: a node set up afresh must get everything again
    }
    if address and address != node.address:
        values["address"] = address
        network_state.touch_neighbours(session, node.id)  # its tunnel endpoint
    if inventory.get("cells", []) != (node.inventory or {}).get("cells", []):
        values["pcpus"] = node_cells.report(session, node.id, inventory.get("cells", []))
        values["change_seq"] = next_seq()
    if inventory.get("network_rates", []) != (node.inventory or {}).get("network_rates", []):
        network_rates.report(session, node.id, inventory.get("network_rates", []))
        values["change_seq"] = next_seq()
    was = (node.vcpus, node.memory_mib, node.disk_gib)
    silent = node.last_heartbeat_at is None or (now - node.last_heartbeat_at).total_seconds() > 15
    if silent or was != (inventory["vcpus"], inventory["memory_mib"], inventory["disk_gib"]):
        values["change_seq"] = next_seq()
    session.execute(
        sa.update(Node).where(Node.id == node.id).values(**values).execution_options(synchronize_session=False)
    )
    session.execute(
        sa.update(Service)
        .where(Service.number == node.service_number)
        .values(last_seen_at=now)
        .execution_options(synchronize_session=False)
    )


def claim(
    session: Session,
    *,
    consumer_id: str,
    node_id: str,
    amounts: Amounts,
    project_id: str,
    user_id: str,
    now: datetime,
    purpose: str = PLACED,
    patient: bool = True,
) -> bool:
    """Claim capacity: the row is inserted and used_* rises, or neither. False: the node has not enough left.

    A repeated claim of the same (consumer, node, purpose) is already there and answers True. patient False: a node that
    another transaction is claiming on at this moment is passed over (and a repeated claim answers False).
    """
    key = {"consumer": consumer_id, "on": node_id, "for": purpose}
    asked = {
        "cpus": amounts.vcpus, "memory": amounts.memory_mib, "disk": amounts.disk_gib, "own_cpus": amounts.pcpus,
    }  # fmt: skip
    connection = session.connection()
    if not connection.execute(_USE if patient else _USE_FREE, key | asked).rowcount:
        return patient and connection.execute(_CLAIMED, key).first() is not None
    cells = None
    if amounts.numa is not None:
        cells = node_cells.take(session, node_id, consumer_id, amounts.numa)
        if cells is None:
            _give_back(session, node_id, amounts)
            return False
    if amounts.rates and network_rates.settle(session, consumer_id, node_id, amounts.rates) is not None:
        _give_back(session, node_id, amounts)
        if cells is not None:
            node_cells.give_back(session, node_id, cells)
        return False
    claimed = {
        "consumer_id": consumer_id, "node_id": node_id, "purpose": purpose, "project_id": project_id,
        "user_id": user_id, "vcpus": amounts.vcpus, "memory_mib": amounts.memory_mib, "disk_gib": amounts.disk_gib,
        "pcpus": amounts.pcpus, "cells": cells, "created_at": now,
    }  # fmt: skip
    if not insert_ignore(session, Allocation, [claimed]):  # the same claim was made while this one waited for the node
        _give_back(session, node_id, amounts)
        if cells is not None:
            node_cells.give_back(session, node_id, cells)
    return True


_CLAIMED = sa.select(Allocation.node_id).where(
    Allocation.consumer_id == sa.bindparam("consumer"),
    Allocation.node_id == sa.bindparam("on"),
    Allocation.purpose == sa.bindparam("for"),
)


def _use(*, patient: bool) -> sa.Update:
    names = ("cpus", "memory", "disk", "own_cpus")
    node, cpus, memory, disk, own_cpus = Node, *(sa.bindparam(name, type_=sa.Integer) for name in names)
    locked = sa.select(Node.id).where(Node.id == sa.bindparam("on")).correlate(None)
    locked = locked.with_for_update(key_share=True, skip_locked=not patient)
    return (
        sa.update(cast(sa.Table, Node.__table__))
        .where(
            node.id.in_(locked),
            sa.not_(_CLAIMED.exists()),
            node.used_vcpus + cpus <= node.vcpus * node.cpu_ratio,
            node.used_memory_mib + memory <= (node.memory_mib - node.reserved_memory_mib) * node.memory_ratio,
            node.used_disk_gib + disk <= (node.disk_gib - node.reserved_disk_gib) * node.disk_ratio,
            sa.or_(own_cpus == 0, node.used_pcpus + own_cpus <= node.pcpus),
        )
        .values(
            used_vcpus=node.used_vcpus + cpus,
            used_memory_mib=node.used_memory_mib + memory,
            used_disk_gib=node.used_disk_gib + disk,
            used_pcpus=node.used_pcpus + own_cpus,
            change_seq=next_seq(),
        )
    )


_USE, _USE_FREE = _use(patient=True), _use(patient=False)


def grow(session: Session, *, consumer_id: str, node_id: str, purpose: str, disk_gib: int) -> bool:
    """Bring a claim's disk to disk_gib; False: the node has not enough left. Harmless when repeated."""
    row = session.scalars(
        _allocation(sa.select(Allocation), consumer_id, node_id, purpose).with_for_update()
    ).one_or_none()
    more = disk_gib - row.disk_gib if row is not None else 0
    if row is None or more == 0:
        return row is not None
    if more > 0:
        asked = {"cpus": 0, "memory": 0, "disk": more, "own_cpus": 0, "on": node_id, "consumer": "", "for": purpose}
        if not session.connection().execute(_USE, asked).rowcount:
            return False
    else:
        _give_back(session, node_id, Amounts(0, 0, -more))
    session.execute(_allocation(sa.update(Allocation), consumer_id, node_id, purpose).values(disk_gib=disk_gib))
    return True


def release(session: Session, *, consumer_id: str, node_id: str, purpose: str = PLACED) -> bool:
    """Give a claim back; releasing twice is harmless. True: there was one."""
    row = session.execute(
        _allocation(sa.delete(Allocation), consumer_id, node_id, purpose).returning(
            Allocation.vcpus, Allocation.memory_mib, Allocation.disk_gib, Allocation.pcpus, Allocation.cells
        )
    ).one_or_none()
    if row is None:
        return False
    _give_back(session, node_id, Amounts(row.vcpus, row.memory_mib, row.disk_gib, row.pcpus))
    network_rates.leave(session, consumer_id, node_id)
    if row.cells is not None:
        node_cells.give_back(session, node_id, row.cells)
    return True


def _give_back(session: Session, node_id: str, amounts: Amounts) -> None:
    session.execute(
        sa.update(Node)
        .where(Node.id == node_id)
        .values(
            used_vcpus=Node.used_vcpus - amounts.vcpus,
            used_memory_mib=Node.used_memory_mib - amounts.memory_mib,
            used_disk_gib=Node.used_disk_gib - amounts.disk_gib,
            used_pcpus=Node.used_pcpus - amounts.pcpus,
            change_seq=next_seq(),
        )
        .execution_options(synchronize_session=False)
    )


def transfer_claim(
    session: Session, *, node_id: str, consumer_id: str, to: str, as_purpose: str, purpose: str | None = None
) -> None:
    """A consumer's claim becomes another's; what is in use stays so. purpose None: whichever it is for. Harmless without one."""
    claim = sa.update(Allocation).where(Allocation.consumer_id == consumer_id, Allocation.node_id == node_id)
    if purpose is not None:
        claim = claim.where(Allocation.purpose == purpose)
    moved = claim.values(consumer_id=to, purpose=as_purpose)
    session.execute(moved.execution_options(synchronize_session=False))
    network_rates.transfer(session, consumer_id, node_id, to)


def release_all(session: Session, consumer_id: str) -> None:
    """Give back every claim of a consumer, whatever its purpose."""
    for allocation in session.scalars(sa.select(Allocation).where(Allocation.consumer_id == consumer_id)).all():
        session.expunge(allocation)
        release(session, consumer_id=consumer_id, node_id=allocation.node_id, purpose=allocation.purpose)


def cells_of(session: Session, consumer_id: str, node_id: str) -> dict[str, Any] | None:
    """What the consumer has of the node's NUMA cells (common/db/node_cells.py); None: nothing."""
    return session.scalar(
        sa.select(Allocation.cells).where(
            Allocation.consumer_id == consumer_id, Allocation.node_id == node_id, Allocation.purpose == PLACED
        )
    )


def build_failed(session: Session, node_id: str) -> None:
    """One more in a row: the node gets servers after others."""
    _count_failed(session, node_id, Node.failed_builds + 1)


def build_succeeded(session: Session, node_id: str) -> None:
    _count_failed(session, node_id, sa.literal(0))


def _count_failed(session: Session, node_id: str, count: sa.ColumnElement[int]) -> None:
    session.execute(
        sa.update(Node)
        .where(Node.id == node_id)
        .values(failed_builds=count, change_seq=next_seq())
        .execution_options(synchronize_session=False)
    )


def allocations(session: Session, consumer_ids: Sequence[str]) -> list[Allocation]:
    return list(session.scalars(sa.select(Allocation).where(Allocation.consumer_id.in_(consumer_ids))))


def _allocation(statement: Any, consumer_id: str, node_id: str, purpose: str) -> Any:
    return statement.where(
        Allocation.consumer_id == consumer_id, Allocation.node_id == node_id, Allocation.purpose == purpose
    ).execution_options(synchronize_session=False)


def behind_on_network(session: Session) -> list[Node]:
    """Nodes whose agents have not yet confirmed the newest network state."""
    return list(session.scalars(sa.select(Node).where(Node.network_wanted > Node.network_applied)))


def network_applied(session: Session, name: str, version: int) -> None:
    session.execute(
        sa.update(Node)
        .where(Node.name == name, Node.network_applied < version)
        .values(network_applied=version)
        .execution_options(synchronize_session=False)
    )
