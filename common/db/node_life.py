"""Which nodes live: down (silent, nothing new goes there), cut off (the cloud goes on without it), back again.

A node is down after `NODE_DOWN_S` without a heartbeat, cut off after `CUT_OFF_S`: by then it has stopped its evacuable
guests itself. A node that is cut off is nobody's tunnel peer; it becomes one again only when it has shown that nothing
is left on it of what was meanwhile deleted or moved.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.db import network_state
from common.db.models import Allocation, Node, Operation, Service
from common.deadlines import CUT_OFF_S, NODE_DOWN_S
from common.states import OPEN_OPERATION_STATES, OperationState

REMAINS = "remains"  # the purpose of an allocation that holds what may be left of an instance


def is_down(session: Session, node_id: str, now: datetime) -> bool:
    """True when nothing can be asked of the node now: silent for NODE_DOWN_S, or forced down by an administrator."""
    return bool(session.scalar(sa.select(_down(now)).select_from(_with_service()).where(Node.id == node_id)))


def silent_s(session: Session, node_id: str, now: datetime) -> float | None:
    """Seconds since its last heartbeat; None when there was none."""
    at = session.scalar(sa.select(Node.last_heartbeat_at).where(Node.id == node_id))
    return (now - at).total_seconds() if at else None


def is_cut_off(session: Session, node_id: str) -> bool:
    return session.scalar(sa.select(Node.cut_off_at).where(Node.id == node_id)) is not None


def is_powered_off(session: Session, node_id: str) -> bool:
    return session.scalar(sa.select(Node.powered_off_at).where(Node.id == node_id)) is not None


def down(session: Session, now: datetime) -> dict[str, str]:
    """Names of the nodes that are down, by id."""
    rows = session.execute(sa.select(Node.id, Node.name).select_from(_with_service()).where(_down(now)))
    return {row[0]: row[1] for row in rows}


def counts(session: Session, now: datetime) -> dict[str, int]:
    """How many nodes are up, down and cut off; one that is cut off is not counted as down."""
    rows = session.execute(sa.select(Node.cut_off_at.is_not(None), _down(now)).select_from(_with_service()))
    found = Counter("cut_off" if cut_off else "down" if is_down else "up" for cut_off, is_down in rows)
    return {state: found[state] for state in ("up", "down", "cut_off")}


def cut_off(session: Session, node_ids: Sequence[str], now: datetime) -> list[str]:
    """Go on without these nodes, if they are silent for CUT_OFF_S: no node has them as peers. Ids of those changed.

    Never without one that is only a gateway: it has no guests that could be doubled, and may well still forward.
    """
    silent = sa.and_(Node.id.in_(node_ids), Node.last_heartbeat_at < now - timedelta(seconds=CUT_OFF_S))
    return _cut_off(session, silent, now)


def give_up(session: Session, node_id: str, now: datetime) -> bool:
    """Believe an administrator that the node is powered off. False, and nothing is done, when it is not down."""
    done = session.execute(
        sa.update(Node)
        .where(Node.id == node_id, Node.id.in_(sa.select(Node.id).select_from(_with_service()).where(_down(now))))
        .values(powered_off_at=now)
        .execution_options(synchronize_session=False)
    )
    if done.rowcount == 0:  # type: ignore[attr-defined]
        return False
    _cut_off(session, Node.id == node_id, now)
    return True


def rejoin(session: Session, node_id: str) -> bool:
    """Make the node a peer again, unless something of the past may still be on it. True: it was cut off and is back."""
    left = sa.exists().where(Allocation.node_id == node_id, Allocation.purpose == REMAINS)
    done = session.execute(
        sa.update(Node)
        .where(Node.id == node_id, Node.cut_off_at.is_not(None), ~left)
        .values(cut_off_at=None)
        .execution_options(synchronize_session=False)
    )
    if done.rowcount == 0:  # type: ignore[attr-defined]
        return False
    network_state.touch_all(session)
    return True


def wake_waiting(session: Session, node_ids: Sequence[str], names: Sequence[str], now: datetime) -> int:
    """Let operations that wait for these nodes look at once: they are down, or back. How many."""
    waits = sa.or_(Operation.sent["node"].as_string().in_(names), Operation.resource_id.in_(node_ids))
    done = session.execute(
        sa.update(Operation)
        .where(
            Operation.state.in_(OPEN_OPERATION_STATES), Operation.lease_owner.is_(None), Operation.run_at > now, waits
        )
        .values(run_at=now)
        .execution_options(synchronize_session=False)
    )  # fmt: skip
    return int(done.rowcount)  # type: ignore[attr-defined]


def end_waiting(session: Session, name: str, now: datetime) -> None:
    """Let operations that go forward and wait for this node's answer reach their deadline now."""
    session.execute(
        sa.update(Operation)
        .where(Operation.state == OperationState.RUNNING, Operation.sent["node"].as_string() == name)
        .values(step_deadline=now)
        .execution_options(synchronize_session=False)
    )


def _cut_off(session: Session, condition: sa.ColumnElement[bool], now: datetime) -> list[str]:
    done = session.scalars(
        sa.update(Node)
        .where(condition, Node.cut_off_at.is_(None), Node.is_compute)
        .values(cut_off_at=now)
        .returning(Node.id)
        .execution_options(synchronize_session=False)
    ).all()
    if done:
        network_state.touch_all(session)
    return list(done)


def _with_service() -> sa.Join:
    return sa.join(Node, Service, Service.number == Node.service_number)


def _down(now: datetime) -> sa.ColumnElement[bool]:
    silent = sa.or_(
        Node.last_heartbeat_at.is_(None), Node.last_heartbeat_at < now - timedelta(seconds=NODE_DOWN_S)
    )  # fmt: skip
    return sa.or_(Service.forced_down, silent)
