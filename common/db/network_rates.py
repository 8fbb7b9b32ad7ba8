"""Bandwidth and packet rates promised to ports: what nodes have of them, what rules ask, claims by conditional update.

A port's claim lasts as long as its server has an allocation on the node: nodes.claim takes it and nodes.release gives it
back, so a resized server holds it on both of its nodes until that is confirmed. Rules that change are claimed at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.db.models import Allocation, Network, Node, NodeRate, Port, QosPolicy, QosRule, RateClaim
from common.db.upsert import insert_ignore
from common.errors import Conflict
from common.guarantees import KINDS, Rate, RateClass, Wish, asked, provider_id

Place = tuple[str, RateClass]  # a physical network and what is claimed there


@dataclass(frozen=True)
class RateStock:
    total: int
    used: int

    @property
    def free(self) -> int:
        return max(0, self.total - self.used)


def report(session: Session, node_id: str, declared: Sequence[Mapping[str, Any]]) -> None:
    """Write what the node's agent declares (compute_v1.NetworkRate). What is claimed stays so, also of what is gone."""
    session.execute(
        sa.update(NodeRate).where(NodeRate.node_id == node_id).values(total=0)
        .execution_options(synchronize_session=False)
    )  # fmt: skip
    for each in declared:
        key = {"node_id": node_id, "physical_network": each["physical_network"], "resource": each["resource"]}
        if not insert_ignore(session, NodeRate, [{**key, "total": each["amount"], "used": 0}]):
            session.execute(
                sa.update(NodeRate).filter_by(**key).values(total=each["amount"])
                .execution_options(synchronize_session=False)
            )  # fmt: skip


def read(session: Session, but_for: str = "") -> dict[str, dict[Place, RateStock]]:
    """Of all nodes that declare any, by id. but_for: the consumer whose own claims are left out."""
    found: dict[str, dict[Place, RateStock]] = defaultdict(dict)
    own = {
        (node, rate.physical_network, rate.resource): rate.amount
        for _, node, rate in claims(session, consumer_id=but_for)
    }
    columns = (NodeRate.node_id, NodeRate.physical_network, NodeRate.resource, NodeRate.total, NodeRate.used)
    for node_id, network, name, total, used in session.execute(sa.select(*columns)):
        resource = RateClass(name)
        found[node_id][network, resource] = RateStock(total, used - own.get((node_id, network, resource), 0))
    return found


_BOUND = sa.select(Port.id, sa.func.coalesce(Port.qos_policy_id, Network.qos_policy_id), Network.physical_network).join(
    Network, Network.id == Port.network_id
)
_OF_SERVER = _BOUND.where(Port.device_id == sa.bindparam("server"), Port.device_owner.like("compute:%"))
_OF_SERVER_HELD = _OF_SERVER.with_for_update(key_share=True, of=Port)


def wanted(session: Session, instance_id: str, *, hold: bool = False) -> tuple[Wish, ...]:
    """What the ports of a server ask of the node that it is on.

    hold: ports and policies stay as they are until the transaction ends, so that whoever changes a rule at this moment
    waits, and then finds the claim.
    """
    ports = session.connection().execute(_OF_SERVER_HELD if hold else _OF_SERVER, {"server": instance_id}).all()
    return _wishes(session, ports, hold=hold)


def wanted_of_ports(session: Session, port_ids: Collection[str]) -> dict[str, list[Rate]]:
    """By port; without those that ask nothing."""
    found: dict[str, list[Rate]] = defaultdict(list)
    for wish in _wishes(session, session.execute(_BOUND.where(Port.id.in_(port_ids))).all(), hold=False):
        found[wish.port_id].append(wish.rate)
    return found


def _wishes(session: Session, ports: Sequence[Any], *, hold: bool) -> tuple[Wish, ...]:
    policy_ids = {policy_id for _, policy_id, _ in ports if policy_id}
    if not policy_ids:
        return ()
    if hold:
        policies = sa.select(QosPolicy.id).where(QosPolicy.id.in_(policy_ids)).order_by(QosPolicy.id)
        session.execute(policies.with_for_update(read=True)).all()
    columns = (QosRule.policy_id, QosRule.kind, QosRule.direction, QosRule.value)
    promises = sa.select(*columns).where(QosRule.policy_id.in_(policy_ids), QosRule.kind.in_(sorted(KINDS)))
    rules: dict[str, list[Any]] = defaultdict(list)
    for policy_id, *rule in session.execute(promises.order_by(QosRule.id)):
        rules[policy_id].append(rule)
    made = (
        (port_id, asked(kind, direction, value, network))
        for port_id, policy_id, network in ports
        for kind, direction, value in rules[policy_id]
    )
    return tuple(Wish(port_id, rate) for port_id, rate in made if rate is not None)


def settle(session: Session, consumer_id: str, node_id: str, wishes: Sequence[Wish]) -> Rate | None:
    """Make what the consumer holds on the node what is wished; None: done. Harmless when repeated.

    Else what the node has not enough left of, beyond what is held, and nothing is changed. The caller holds the node's
    row, as nodes.claim; whoever has an allocation there already is held by that.
    """
    _hold_allocations(session, consumer_id, node_id)
    return _settle(session, consumer_id, node_id, wishes)


def adjust(session: Session, server_id: str, node_id: str, wishes: Sequence[Wish]) -> Rate | None:
    """As `settle`, of a server that is on the node: one without an allocation there holds nothing, whatever it wishes."""
    return _settle(session, server_id, node_id, wishes) if _hold_allocations(session, server_id, node_id) else None


def _hold_allocations(session: Session, consumer_id: str, node_id: str) -> bool:
    """False: there are none."""
    its = sa.select(Allocation.purpose).where(Allocation.consumer_id == consumer_id, Allocation.node_id == node_id)
    return bool(session.execute(its.order_by(Allocation.purpose).with_for_update()).all())


def _settle(session: Session, consumer_id: str, node_id: str, wishes: Sequence[Wish]) -> Rate | None:
    held = _held(session, consumer_id, node_id)
    after = {(wish.port_id, wish.rate.physical_network, wish.rate.resource): wish.rate.amount for wish in wishes}
    if held == after:
        return None
    more: dict[Place, int] = defaultdict(int)
    for rows, sign in ((after, 1), (held, -1)):
        for (_, network, resource), amount in rows.items():
            more[network, resource] += sign * amount
    taken: list[tuple[Place, int]] = []
    for place, amount in sorted(more.items()):  # in this order, so that two of these never wait for each other
        if amount and not _use(session, node_id, place, amount):
            for done, so_much in taken:
                _give(session, node_id, done, so_much)
            return Rate(*place, amount)
        taken.append((place, amount))
    session.execute(_mine(sa.delete(RateClaim), consumer_id, node_id))
    rows_after = [
        {
            "consumer_id": consumer_id, "node_id": node_id, "port_id": port_id, "physical_network": network,
            "resource": resource.value, "amount": amount,
        }
        for (port_id, network, resource), amount in after.items()
    ]  # fmt: skip
    if rows_after:
        session.execute(sa.insert(RateClaim), rows_after)
    return None


def _held(session: Session, consumer_id: str, node_id: str) -> dict[tuple[str, str, RateClass], int]:
    columns = (RateClaim.port_id, RateClaim.physical_network, RateClaim.resource, RateClaim.amount)
    rows = session.execute(_mine(sa.select(*columns), consumer_id, node_id)).all()
    return {(port_id, network, RateClass(resource)): amount for port_id, network, resource, amount in rows}


def _mine(statement: Any, consumer_id: str, node_id: str) -> Any:
    return statement.where(RateClaim.consumer_id == consumer_id, RateClaim.node_id == node_id).execution_options(
        synchronize_session=False
    )


def _use(session: Session, node_id: str, place: Place, amount: int) -> bool:
    """Less than before (a negative amount) always fits, also where less is declared than was."""
    fits = sa.true() if amount < 0 else NodeRate.used + amount <= NodeRate.total
    changed = session.execute(_stock(node_id, place).where(fits).values(used=NodeRate.used + amount))
    return bool(changed.rowcount)  # type: ignore[attr-defined]


def _give(session: Session, node_id: str, place: Place, amount: int) -> None:
    session.execute(_stock(node_id, place).values(used=NodeRate.used - amount))


def _stock(node_id: str, place: Place) -> sa.Update:
    network, resource = place
    return (
        sa.update(NodeRate)
        .where(NodeRate.node_id == node_id, NodeRate.physical_network == network, NodeRate.resource == resource.value)
        .execution_options(synchronize_session=False)
    )


def leave(session: Session, consumer_id: str, node_id: str) -> None:
    """The consumer has given a claim on the node back: without another there it holds no rates either. Harmless."""
    still = sa.exists().where(Allocation.consumer_id == consumer_id, Allocation.node_id == node_id)
    _drop(session, RateClaim.consumer_id == consumer_id, RateClaim.node_id == node_id, ~still)


def leave_port(session: Session, consumer_id: str, port_id: str) -> None:
    """The port is no longer the consumer's: what it holds, wherever, is given back. Harmless when repeated."""
    its = sa.exists().where(RateClaim.consumer_id == consumer_id, RateClaim.port_id == port_id)
    if not session.scalar(sa.select(its)):
        return
    for node_id in session.scalars(
        sa.select(Allocation.node_id).where(Allocation.consumer_id == consumer_id).order_by(Allocation.node_id)
    ).all():
        _hold_allocations(session, consumer_id, node_id)
    _drop(session, RateClaim.consumer_id == consumer_id, RateClaim.port_id == port_id)


def _drop(session: Session, *conditions: sa.ColumnElement[bool]) -> None:
    rows = session.execute(
        sa.delete(RateClaim)
        .where(*conditions)
        .returning(RateClaim.node_id, RateClaim.physical_network, RateClaim.resource, RateClaim.amount)
        .execution_options(synchronize_session=False)
    ).all()
    for node_id, network, resource, amount in sorted(rows):
        _give(session, node_id, (network, RateClass(resource)), amount)


def transfer(session: Session, consumer_id: str, node_id: str, to: str) -> None:
    """What the consumer holds on the node becomes another's."""
    session.execute(_mine(sa.update(RateClaim), consumer_id, node_id).values(consumer_id=to))


def settle_servers(session: Session, ports: sa.ColumnElement[bool]) -> None:
    """The rules of these ports have changed: what servers on nodes hold for them follows. Raises Conflict."""
    servers = (
        sa.select(Allocation.consumer_id, Allocation.node_id)
        .where(Allocation.consumer_id.in_(sa.select(Port.device_id).where(ports, Port.binding_node_id.is_not(None))))
        .distinct()
        .order_by(Allocation.node_id, Allocation.consumer_id)
    )
    for server_id, node_id in session.execute(servers).all():
        short = adjust(session, server_id, node_id, wanted(session, server_id))
        if short is not None:
            raise refusal(server_id, node_id, short)


def refusal(server_id: str, node_id: str, short: Rate) -> Conflict:
    kind = "packet rate" if "PACKET" in short.resource else "bandwidth"
    return Conflict(
        f"Allocation for consumer {server_id} is not possible on resource provider "
        f"{provider_id(node_id, short.physical_network)}, the requested amount of {kind} is not available.",
        detail=f"{short.amount} more of {short.resource} on {short.physical_network or 'the node'} wanted on node {node_id}",
        neutron_type="QosPlacementAllocationConflict",
    )


def claims(
    session: Session, *, node_id: str | None = None, consumer_id: str | None = None
) -> list[tuple[str, str, Rate]]:
    """Sums by consumer, node and place, of one node or of one consumer."""
    by = (RateClaim.consumer_id, RateClaim.node_id, RateClaim.physical_network, RateClaim.resource)
    query = sa.select(*by, sa.func.sum(RateClaim.amount)).group_by(*by).order_by(*by)
    if node_id is not None:
        query = query.where(RateClaim.node_id == node_id)
    if consumer_id is not None:
        query = query.where(RateClaim.consumer_id == consumer_id)
    rows = session.execute(query)
    return [
        (consumer, node, Rate(network, RateClass(resource), int(amount)))
        for consumer, node, network, resource, amount in rows
    ]


def usage(session: Session, project_id: str, user_id: str | None) -> dict[RateClass, int]:
    """What the ports of a project's servers (of it, a user's) hold on all nodes."""
    its = [Allocation.consumer_id == RateClaim.consumer_id, Allocation.node_id == RateClaim.node_id]
    its += [Allocation.project_id == project_id] + ([Allocation.user_id == user_id] if user_id is not None else [])
    query = sa.select(RateClaim.resource, sa.func.sum(RateClaim.amount)).where(sa.exists().where(*its))
    rows = session.execute(query.group_by(RateClaim.resource).order_by(RateClaim.resource))
    return {RateClass(resource): int(amount) for resource, amount in rows}


def miscounted(session: Session) -> list[tuple[str, str, str, int, int]]:
    """Stocks whose use is not the sum of the claims on them: node's name, network, class, sum, what is written."""
    claim = (RateClaim.node_id, RateClaim.physical_network, RateClaim.resource)
    sums = sa.select(*claim, sa.func.sum(RateClaim.amount).label("amount")).group_by(*claim).subquery()
    amount = sa.func.coalesce(sums.c.amount, 0)
    same = sa.and_(
        sums.c.node_id == NodeRate.node_id, sums.c.physical_network == NodeRate.physical_network,
        sums.c.resource == NodeRate.resource,
    )  # fmt: skip
    query = (
        sa.select(Node.name, NodeRate.physical_network, NodeRate.resource, amount, NodeRate.used)
        .join(Node, Node.id == NodeRate.node_id)
        .outerjoin(sums, same)
        .where(amount != NodeRate.used)
    )
    return [
        (name, network, resource, int(there), used) for name, network, resource, there, used in session.execute(query)
    ]


def ownerless(session: Session) -> list[tuple[str, str]]:
    """Consumer and node of claims without an allocation there."""
    there = sa.exists().where(Allocation.consumer_id == RateClaim.consumer_id, Allocation.node_id == RateClaim.node_id)
    query = sa.select(RateClaim.consumer_id, RateClaim.node_id).where(~there).distinct()
    return [(consumer_id, node_id) for consumer_id, node_id in session.execute(query)]
