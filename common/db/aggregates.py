"""Aggregates, and what they mean for their nodes: availability zone, properties for filters, overcommit ratios.

The aggregates are the truth. What placement and the claim read (services.availability_zone, nodes.aggregate_properties,
nodes.*_ratio) is derived, and written anew for every node concerned in the transaction that changes an aggregate.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.db import nodes
from common.db.models import Aggregate, AggregateNode, Instance, Node, Service
from common.errors import AlreadyExists, Conflict, InvalidRequest, NotFound
from common.ids import new_id

ZONE = "availability_zone"
DEFAULT_ZONE = "nova"
#: key of an aggregate's properties -> the ratio it sets; the smallest of a node's aggregates holds
RATIOS = {"cpu_allocation_ratio": "cpu", "ram_allocation_ratio": "memory", "disk_allocation_ratio": "disk"}


def list_all(session: Session) -> list[Aggregate]:
    return list(session.scalars(sa.select(Aggregate).order_by(Aggregate.number)))


def get(session: Session, number: int, *, hold: bool = False) -> Aggregate:
    """hold: nobody else may change it until the transaction ends. Raises NotFound."""
    found = session.get(Aggregate, number, populate_existing=True, with_for_update=hold or None)
    if found is None:
        raise NotFound(f"Aggregate {number} could not be found.")
    return found


def hosts(session: Session, numbers: Sequence[int]) -> dict[int, list[str]]:
    """Names of the nodes in these aggregates, by aggregate, in the order of their names."""
    rows = session.execute(
        sa.select(AggregateNode.aggregate_number, Node.name)
        .join(Node, Node.id == AggregateNode.node_id)
        .where(AggregateNode.aggregate_number.in_(numbers))
        .order_by(Node.name)
    )
    found: dict[int, list[str]] = defaultdict(list)
    for number, name in rows:
        found[number].append(name)
    return found


def create(session: Session, name: str, zone: str | None, now: datetime) -> Aggregate:
    """Raises AlreadyExists."""
    _check_free(session, name)
    properties = {ZONE: zone} if zone is not None else {}
    made = Aggregate(id=new_id(), name=name, properties=properties, created_at=now, updated_at=None)
    session.add(made)
    session.flush()
    return made


def rename(session: Session, aggregate: Aggregate, name: str, now: datetime) -> None:
    """Raises AlreadyExists."""
    if name != aggregate.name:
        _check_free(session, name)
        aggregate.name, aggregate.updated_at = name, now
        session.flush()


def set_properties(session: Session, aggregate: Aggregate, changes: Mapping[str, str | None], now: datetime) -> None:
    """Merge properties in; None takes one away. Raises InvalidRequest for a zone that its nodes can't be moved to."""
    properties = {**aggregate.properties, **changes}
    changed = {key: value for key, value in properties.items() if value is not None}
    node_ids = _node_ids(session, aggregate.number)
    if changed.get(ZONE) != aggregate.properties.get(ZONE):
        _check_zone_change(session, aggregate, node_ids, changed.get(ZONE))
    aggregate.properties, aggregate.updated_at = changed, now
    session.flush()
    derive(session, node_ids)


def delete(session: Session, aggregate: Aggregate) -> None:
    """Raises InvalidRequest for one that has nodes."""
    if _node_ids(session, aggregate.number):
        raise InvalidRequest(
            f"Cannot delete_aggregate aggregate {aggregate.number}. Reason: Host aggregate is not empty."
        )
    session.delete(aggregate)
    session.flush()


def add_host(session: Session, aggregate: Aggregate, name: str) -> None:
    """Raises NotFound for no such node, Conflict for one that is in it already or in another zone."""
    node = _node(session, name)
    if node.id in _node_ids(session, aggregate.number):
        raise AlreadyExists(f"Aggregate {aggregate.number} already has host {name}.")
    zone = aggregate.properties.get(ZONE)
    other = _zone_of(session, node.id)
    if zone is not None and other is not None and other != zone:
        raise _refused("add_host_to_aggregate", aggregate, f"Host {name} is already in availability zone {other}")
    if zone is not None and other is None and zone != DEFAULT_ZONE and _has_servers(session, [node.id]):
        raise _refused("add_host_to_aggregate", aggregate, "One or more hosts contain instances in this zone")
    session.add(AggregateNode(aggregate_number=aggregate.number, node_id=node.id))
    session.flush()
    derive(session, [node.id])


def remove_host(session: Session, aggregate: Aggregate, name: str) -> None:
    """Raises NotFound, Conflict for a node whose servers would be in another zone then."""
    node = _node(session, name)
    gone = sa.delete(AggregateNode).where(
        AggregateNode.aggregate_number == aggregate.number, AggregateNode.node_id == node.id
    )
    before = _zone_of(session, node.id)
    if session.execute(gone).rowcount == 0:  # type: ignore[attr-defined]
        raise NotFound(f"Aggregate {aggregate.number} has no host {name}.")
    if (_zone_of(session, node.id) or DEFAULT_ZONE) != (before or DEFAULT_ZONE) and _has_servers(session, [node.id]):
        raise _refused("remove_host_from_aggregate", aggregate, "One or more hosts contain instances in this zone")
    derive(session, [node.id])


def derive(session: Session, node_ids: Sequence[str]) -> None:
    """Write what the aggregates mean for these nodes, and let placement see it.

    The nodes are held before the aggregates are read, so that of two changes at once the later one sees the earlier.
    """
    held = sa.select(Node).where(Node.id.in_(sorted(node_ids))).order_by(Node.id).with_for_update(key_share=True)
    found = session.scalars(held.execution_options(populate_existing=True)).all()
    said: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    rows = session.execute(
        sa.select(AggregateNode.node_id, Aggregate.properties)
        .join(Aggregate, Aggregate.number == AggregateNode.aggregate_number)
        .where(AggregateNode.node_id.in_(node_ids))
        .order_by(Aggregate.number)
    )
    for node_id, properties in rows:
        said[node_id].append(properties)
    for node in found:
        _derive_one(session, node, said.get(node.id, []))


def _derive_one(session: Session, node: Node, said: Sequence[Mapping[str, Any]]) -> None:
    merged: dict[str, list[str]] = defaultdict(list)
    for properties in said:
        for key, value in properties.items():
            merged[key].append(str(value))
    ratios = dict(node.own_ratios)
    for key, ratio in RATIOS.items():
        if numbers := [number for text in merged.get(key, ()) if (number := as_ratio(text)) is not None]:
            ratios[ratio] = min(numbers)
    session.execute(
        sa.update(Node)
        .where(Node.id == node.id)
        .values(
            aggregate_properties=dict(merged) or None,
            cpu_ratio=ratios.get("cpu", node.cpu_ratio),
            memory_ratio=ratios.get("memory", node.memory_ratio),
            disk_ratio=ratios.get("disk", node.disk_ratio),
            change_seq=nodes.next_seq(),
        )
        .execution_options(synchronize_session=False)
    )
    zone = merged.get(ZONE, [DEFAULT_ZONE])[0]
    session.execute(
        sa.update(Service)
        .where(Service.number == node.service_number)
        .values(availability_zone=zone)
        .execution_options(synchronize_session=False)
    )


def as_ratio(text: str) -> float | None:
    """A ratio from the text of a property; None for what is no positive number."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if 0 < number <= 10_000 else None


def _check_free(session: Session, name: str) -> None:
    if session.scalar(sa.select(Aggregate.number).where(Aggregate.name == name)) is not None:
        raise AlreadyExists(f"Aggregate {name} already exists.")


def _check_zone_change(session: Session, aggregate: Aggregate, node_ids: Sequence[str], zone: str | None) -> None:
    """A server's zone doesn't change under it, and no node is in two zones."""
    others = (
        sa.select(Aggregate.properties)
        .join(AggregateNode)
        .where(AggregateNode.node_id.in_(node_ids), Aggregate.number != aggregate.number)
    )
    zones = {properties.get(ZONE) for properties in session.scalars(others)} - {None}
    if zone is not None and zones - {zone}:
        named = ", ".join(sorted(str(each) for each in zones))
        raise InvalidRequest(
            f"Cannot update_aggregate aggregate {aggregate.number}. Reason: One or more hosts already in availability "
            f"zone(s) [{named}]."
        )
    if _has_servers(session, node_ids):
        raise InvalidRequest(
            f"Cannot update_aggregate aggregate {aggregate.number}. Reason: One or more hosts contain instances in this "
            "zone."
        )


def _refused(action: str, aggregate: Aggregate, reason: str) -> Conflict:
    return Conflict(f"Cannot {action} aggregate {aggregate.number}. Reason: {reason}.")


def _node(session: Session, name: str) -> Node:
    found = session.scalars(sa.select(Node).where(Node.name == name).with_for_update()).one_or_none()
    if found is None or not found.is_compute:
        raise NotFound(f"Compute host {name[:255]} could not be found.")
    return found


def _node_ids(session: Session, number: int) -> list[str]:
    return list(session.scalars(sa.select(AggregateNode.node_id).where(AggregateNode.aggregate_number == number)))


def _zone_of(session: Session, node_id: str) -> str | None:
    """The zone that the node's aggregates name, if any does."""
    query = sa.select(Aggregate.properties).join(AggregateNode).where(AggregateNode.node_id == node_id)
    zones = [properties[ZONE] for properties in session.scalars(query) if properties.get(ZONE)]
    return str(zones[0]) if zones else None


def _has_servers(session: Session, node_ids: Sequence[str]) -> bool:
    query = sa.select(Instance.id).where(Instance.node_id.in_(node_ids), Instance.deleted.is_(False)).limit(1)
    return session.scalar(query) is not None
