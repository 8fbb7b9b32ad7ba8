"""Nodes and claims in the words of OpenStack's placement API: resource providers, inventories, allocations, usages.

No second set of books: everything is read from `nodes` and `allocations`, where the claims are made. A node is a provider
without children; its generation is `nodes.change_seq`, which every claim raises.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.db import aggregates
from common.db.models import Aggregate, AggregateNode, Allocation, Instance, Node, Service
from common.placement import traits


class ResourceClass(StrEnum):
    """What can be claimed, under OpenStack's names: vCPUs, MiB, GiB."""

    VCPU = "VCPU"
    MEMORY_MB = "MEMORY_MB"
    DISK_GB = "DISK_GB"
    PCPU = "PCPU"  # a CPU that its guest has for itself


_COLUMNS = {
    ResourceClass.VCPU: "vcpus", ResourceClass.MEMORY_MB: "memory_mib", ResourceClass.DISK_GB: "disk_gib",
    ResourceClass.PCPU: "pcpus",
}  # fmt: skip
_RATIOS = {
    ResourceClass.VCPU: Node.cpu_ratio, ResourceClass.MEMORY_MB: Node.memory_ratio,
    ResourceClass.DISK_GB: Node.disk_ratio,
}  # fmt: skip
_OWN = {ResourceClass.VCPU: "cpu", ResourceClass.MEMORY_MB: "memory", ResourceClass.DISK_GB: "disk"}
_RESERVED = {ResourceClass.MEMORY_MB: Node.reserved_memory_mib, ResourceClass.DISK_GB: Node.reserved_disk_gib}
Amounts = Mapping[ResourceClass, int]


@dataclass(frozen=True)
class Stock:
    """One resource of one node, in the class's unit."""

    total: int
    reserved: int
    ratio: float
    used: int

    @property
    def capacity(self) -> int:
        """What may be claimed in all."""
        return int((self.total - self.reserved) * self.ratio)


@dataclass(frozen=True)
class Provider:
    id: str
    name: str
    generation: int
    traits: frozenset[str]
    stocks: Mapping[ResourceClass, Stock]
    aggregates: frozenset[str] = frozenset()  # ids


@dataclass(frozen=True)
class ProviderQuery:
    """What providers to look for; None and {} ask nothing. free: amounts that must still fit.

    any_of: from each of these sets the provider must have a trait. forbidden: traits it must not have.
    in_one_of: of each of these sets of aggregates it must be in one. in_none_of: aggregates it must not be in.
    """

    id: str | None = None
    name: str | None = None
    free: Amounts | None = None
    any_of: tuple[frozenset[str], ...] = ()
    forbidden: frozenset[str] = frozenset()
    in_one_of: tuple[frozenset[str], ...] = ()
    in_none_of: frozenset[str] = frozenset()


def find(session: Session, query: ProviderQuery) -> list[Provider]:
    """Compute nodes, by name."""
    statement = (
        sa.select(Node, Service.disabled)
        .join(Service, Service.number == Node.service_number)
        .where(Node.is_compute)
        .order_by(Node.name)
    )
    if query.id is not None:
        statement = statement.where(Node.id == query.id)
    if query.name is not None:
        statement = statement.where(Node.name == query.name)
    for resource, amount in (query.free or {}).items():
        statement = statement.where(_fits(resource, amount))
    members = _aggregates(session, query.id)
    found = [_provider(node, disabled, members.get(node.id, set())) for node, disabled in session.execute(statement)]
    return [each for each in found if _has_traits(each.traits, query) and _is_member(each.aggregates, query)]


def _aggregates(session: Session, node_id: str | None) -> dict[str, set[str]]:
    """Ids of aggregates by node id."""
    pairs = sa.select(AggregateNode.node_id, Aggregate.id).join(
        Aggregate, Aggregate.number == AggregateNode.aggregate_number
    )
    found: dict[str, set[str]] = defaultdict(set)
    for node, aggregate in session.execute(pairs if node_id is None else pairs.where(AggregateNode.node_id == node_id)):
        found[node].add(aggregate)
    return found


def _is_member(held: frozenset[str], query: ProviderQuery) -> bool:
    return all(held & wanted for wanted in query.in_one_of) and not held & query.in_none_of


def traits_by_node(session: Session) -> dict[str, frozenset[str]]:
    """Of all nodes, by id."""
    query = sa.select(Node.id, Node.inventory, Service.disabled).join(Service, Service.number == Node.service_number)
    return {
        node_id: traits.of_node(inventory, disabled=disabled) for node_id, inventory, disabled in session.execute(query)
    }


def _fits(resource: ResourceClass, amount: int) -> sa.ColumnElement[bool]:
    """The same sum as in nodes.claim."""
    column = _COLUMNS[resource]
    offered = (getattr(Node, column) - _RESERVED.get(resource, 0)) * _RATIOS.get(resource, 1.0)
    return sa.and_(getattr(Node, column) > 0, getattr(Node, f"used_{column}") + amount <= offered)


def _has_traits(held: frozenset[str], query: ProviderQuery) -> bool:
    return all(held & wanted for wanted in query.any_of) and not held & query.forbidden


def _provider(node: Node, disabled: bool, members: set[str]) -> Provider:
    stocks = {
        resource: Stock(
            total=getattr(node, column), reserved=getattr(node, _RESERVED[resource].key) if resource in _RESERVED else 0,
            ratio=getattr(node, _RATIOS[resource].key) if resource in _RATIOS else 1.0, used=getattr(node, f"used_{column}"),
        )
        for resource, column in _COLUMNS.items()
        if getattr(node, column) > 0
    }  # fmt: skip
    held = traits.of_node(node.inventory, disabled=disabled)
    return Provider(
        id=node.id,
        name=node.name,
        generation=node.change_seq,
        traits=held,
        stocks=stocks,
        aggregates=frozenset(members),
    )


@dataclass(frozen=True)
class Terms:
    """On what terms a resource is offered; an administrator's to choose. reserved in the class's unit."""

    ratio: float
    reserved: int = 0


def set_terms(session: Session, node_id: str, generation: int, terms: Mapping[ResourceClass, Terms]) -> bool:
    """False when the node has changed since `generation`: then nothing is written.

    Ratios are the node's own: those of an aggregate that it is in stay above them.
    """
    held = sa.select(Node).where(Node.id == node_id, Node.change_seq == generation).with_for_update()
    node = session.scalars(held.execution_options(populate_existing=True)).one_or_none()
    if node is None:
        return False
    own = {_OWN[resource]: wanted.ratio for resource, wanted in terms.items() if resource in _OWN}
    node.own_ratios = node.own_ratios | own
    for resource, wanted in terms.items():
        if resource in _RESERVED:
            setattr(node, _RESERVED[resource].key, wanted.reserved)
    session.flush()
    aggregates.derive(session, [node_id])
    return True


def has_ratio(resource: ResourceClass) -> bool:
    """False for what only one can have."""
    return resource in _RATIOS


def has_reserve(resource: ResourceClass) -> bool:
    """True where a part can be kept from instances; vCPUs are shared with the node itself."""
    return resource in _RESERVED


@dataclass(frozen=True)
class Claim:
    """What one consumer (an instance) holds on one provider, whatever for. epoch: rises as the instance moves."""

    consumer_id: str
    provider_id: str
    provider_generation: int
    project_id: str
    user_id: str
    epoch: int
    amounts: Amounts


def claims(session: Session, *, node_id: str | None = None, consumer_id: str | None = None) -> list[Claim]:
    """Those on a node, or those of a consumer."""
    sums = [sa.func.sum(getattr(Allocation, column)) for column in _COLUMNS.values()]
    by = (Allocation.consumer_id, Node.id, Node.change_seq, Allocation.project_id, Allocation.user_id, Instance.epoch)
    query = (
        sa.select(*by, *sums)
        .join(Node, Node.id == Allocation.node_id)
        .outerjoin(Instance, Instance.id == Allocation.consumer_id)
        .group_by(*by)
        .order_by(Allocation.consumer_id, Node.id)
    )
    if node_id is not None:
        query = query.where(Allocation.node_id == node_id)
    if consumer_id is not None:
        query = query.where(Allocation.consumer_id == consumer_id)
    return [_claim(row) for row in session.execute(query)]


def _claim(row: Sequence[Any]) -> Claim:
    consumer, node, generation, project, user, epoch, *amounts = row
    return Claim(consumer, node, generation, project, user, epoch or 0, _some(amounts))


def _some(amounts: Sequence[Any]) -> Amounts:
    """Without those of which nothing is claimed, as placement shows them."""
    return {resource: int(amount) for resource, amount in zip(_COLUMNS, amounts, strict=True) if amount}


@dataclass(frozen=True)
class Usage:
    consumers: int
    amounts: Amounts


def usage(session: Session, project_id: str, user_id: str | None = None) -> Usage:
    """All that a project (of it, a user) has claimed, on whatever node."""
    sums = [sa.func.sum(getattr(Allocation, column)) for column in _COLUMNS.values()]
    query = sa.select(sa.func.count(sa.distinct(Allocation.consumer_id)), *sums).where(
        Allocation.project_id == project_id
    )
    if user_id is not None:
        query = query.where(Allocation.user_id == user_id)
    count, *amounts = session.execute(query).one()
    return Usage(count, _some(amounts))
