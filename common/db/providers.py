"""Nodes and claims in the words of OpenStack's placement API: resource providers, inventories, allocations, usages.

No second set of books: everything is read from `nodes` and `allocations`, and for bandwidth and packet rates from
`node_rates` and `rate_claims`, where the claims are made. A node is a provider; one that declares rates has a child for
each physical network and one for packets. The generation of all is `nodes.change_seq`, which every claim on it raises.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from common import guarantees
from common.db import aggregates, network_rates
from common.db.models import Aggregate, AggregateNode, Allocation, Instance, Node, Service
from common.guarantees import RateClass
from common.placement import traits


class ResourceClass(StrEnum):
    """What can be claimed, under OpenStack's names: vCPUs, MiB, GiB."""

    VCPU = "VCPU"
    MEMORY_MB = "MEMORY_MB"
    DISK_GB = "DISK_GB"
    PCPU = "PCPU"  # a CPU that its guest has for itself
    NET_BW_EGR_KILOBIT_PER_SEC = RateClass.BANDWIDTH_OUT.value
    NET_BW_IGR_KILOBIT_PER_SEC = RateClass.BANDWIDTH_IN.value
    NET_PACKET_RATE_KILOPACKET_PER_SEC = RateClass.PACKETS.value
    NET_PACKET_RATE_EGR_KILOPACKET_PER_SEC = RateClass.PACKETS_OUT.value
    NET_PACKET_RATE_IGR_KILOPACKET_PER_SEC = RateClass.PACKETS_IN.value


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
    root_id: str = ""  # the node's; "": it is the node

    def has_room(self, amounts: Amounts) -> bool:
        """True when all of these still fit."""
        free = {resource: stock.capacity - stock.used for resource, stock in self.stocks.items()}
        return all(amount <= free.get(resource, 0) for resource, amount in amounts.items())


@dataclass(frozen=True)
class ProviderQuery:
    """What providers to look for; None and {} ask nothing. free: amounts that must still fit.

    any_of: from each of these sets the provider must have a trait. forbidden: traits it must not have.
    in_one_of: of each of these sets of aggregates it must be in one. in_none_of: aggregates it must not be in.
    tree: id of a provider; those of its node.
    """

    id: str | None = None
    name: str | None = None
    tree: str | None = None
    free: Amounts | None = None
    any_of: tuple[frozenset[str], ...] = ()
    forbidden: frozenset[str] = frozenset()
    in_one_of: tuple[frozenset[str], ...] = ()
    in_none_of: frozenset[str] = frozenset()


def find(session: Session, query: ProviderQuery) -> list[Provider]:
    """Compute nodes by name, each followed by what it has below it."""
    children = _children(session)
    parents = {child.id: child.root_id for below in children.values() for child in below}
    wanted = {parents.get(each, each) for each in (query.id, query.tree) if each is not None}
    if len(wanted) > 1:
        return []
    statement = (
        sa.select(Node, Service.disabled)
        .join(Service, Service.number == Node.service_number)
        .where(Node.is_compute)
        .order_by(Node.name)
    )
    if wanted:
        statement = statement.where(Node.id.in_(wanted))
    members = _aggregates(session, next(iter(wanted), None))
    found: list[Provider] = []
    for node, disabled in session.execute(statement):
        root = _provider(node, disabled, members.get(node.id, set()))
        below = (_below(child, root) for child in children.get(node.id, ()))
        found += [each for each in (root, *below) if _matches(each, query)]
    return found


def _matches(provider: Provider, query: ProviderQuery) -> bool:
    return (
        query.id in (None, provider.id)
        and query.name in (None, provider.name)
        and provider.has_room(query.free or {})
        and has_traits(provider.traits, query)
        and is_member(provider.aggregates, query)
    )


def _children(session: Session) -> dict[str, list[Provider]]:
    """By id of node; not yet with what they share with it."""
    found: dict[str, list[Provider]] = {}
    for node_id, stocks in network_rates.read(session).items():
        by_network: dict[str, dict[ResourceClass, Stock]] = defaultdict(dict)
        for (network, resource), stock in sorted(stocks.items()):
            if stock.total or stock.used:
                by_network[network][ResourceClass(resource.value)] = Stock(stock.total, 0, 1.0, stock.used)
        found[node_id] = [
            Provider(
                id=guarantees.provider_id(node_id, network), name=network, generation=0, stocks=held, root_id=node_id,
                traits=frozenset(guarantees.traits(network)),
            )
            for network, held in by_network.items()
        ]  # fmt: skip
    return found


def _below(child: Provider, root: Provider) -> Provider:
    name = guarantees.provider_name(root.name, child.name)
    return replace(child, name=name, generation=root.generation, aggregates=root.aggregates)


def _aggregates(session: Session, node_id: str | None) -> dict[str, set[str]]:
    """Ids of aggregates by node id."""
    pairs = sa.select(AggregateNode.node_id, Aggregate.id).join(
        Aggregate, Aggregate.number == AggregateNode.aggregate_number
    )
    found: dict[str, set[str]] = defaultdict(set)
    for node, aggregate in session.execute(pairs if node_id is None else pairs.where(AggregateNode.node_id == node_id)):
        found[node].add(aggregate)
    return found


def is_member(held: frozenset[str], query: ProviderQuery) -> bool:
    """True for ids of aggregates as the query wants them."""
    return all(held & wanted for wanted in query.in_one_of) and not held & query.in_none_of


def traits_by_node(session: Session) -> dict[str, frozenset[str]]:
    """Of all nodes, by id."""
    query = sa.select(Node.id, Node.inventory, Service.disabled).join(Service, Service.number == Node.service_number)
    return {
        node_id: traits.of_node(inventory, disabled=disabled) for node_id, inventory, disabled in session.execute(query)
    }


def has_traits(held: frozenset[str], query: ProviderQuery) -> bool:
    """Those that the query wants, and none that it forbids."""
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
    found = [_claim(row) for row in session.execute(query)]
    return _with_rates(session, found, consumer_id=consumer_id, node_id=node_id)


def _with_rates(session: Session, found: list[Claim], *, consumer_id: str | None, node_id: str | None) -> list[Claim]:
    """The claims with those of their ports, which are on the providers below the node; an order that says the same twice."""
    amounts: dict[tuple[str, str, str], dict[ResourceClass, int]] = defaultdict(dict)
    for consumer, node, rate in network_rates.claims(session, consumer_id=consumer_id, node_id=node_id):
        provider = guarantees.provider_id(node, rate.physical_network)
        amounts[consumer, node, provider][ResourceClass(rate.resource.value)] = rate.amount
    whole = []
    for claim in found:
        whole.append(claim)
        for (consumer, node, provider), below in amounts.items():
            if (consumer, node) == (claim.consumer_id, claim.provider_id):
                whole.append(replace(claim, provider_id=provider, amounts=below))
    return whole


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
    rates = network_rates.usage(session, project_id, user_id)
    return Usage(count, {**_some(amounts), **{ResourceClass(name.value): amount for name, amount in rates.items()}})
