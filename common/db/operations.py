"""Operations: created with the change they are about, leased by one worker at a time, fenced by lease_count.

Everything here is a single conditional statement or a plain insert; the caller owns the transaction. How an operation
advances is common/saga/engine.py's business.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

import msgspec
import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.context import RequestContext
from common.db import paging
from common.db.models import Operation, OperationEvent
from common.db.paging import Page
from common.deadlines import LEASE_S
from common.errors import LeaseLost
from common.ids import new_id
from common.rpc.compute_v1 import Report
from common.states import OPEN_OPERATION_STATES, OperationClass, OperationState


def _due(now: Any) -> sa.ColumnElement[bool]:
    return sa.and_(
        Operation.state.in_(OPEN_OPERATION_STATES),
        Operation.run_at <= now,
        sa.or_(Operation.lease_until.is_(None), Operation.lease_until < now),
    )


def _waits_for(command_id: Any, node: Any, epoch: Any) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        Operation.state.in_(OPEN_OPERATION_STATES),
        Operation.report.is_(sa.null()),
        Operation.sent["id"].as_string() == command_id,
        Operation.sent["node"].as_string() == node,
        Operation.sent["epoch"].as_integer() == epoch,
    )


_OPERATIONS = cast(sa.Table, Operation.__table__)
_TAKE_DUE = (
    sa.select(Operation)
    .where(Operation.id == sa.bindparam("operation_id"), _due(sa.bindparam("now", type_=Operation.run_at.type)))
    .with_for_update(skip_locked=True)
)
_TAKE_WAITING = (
    sa.select(Operation)
    .where(
        Operation.id == sa.bindparam("operation_id"),
        *_waits_for(sa.bindparam("command_id"), sa.bindparam("node"), sa.bindparam("epoch")),
    )
    .with_for_update()
)


@dataclass(frozen=True)
class NewOperation:
    """kind is the saga's name; action what os-instance-actions shows; params must be JSON values."""

    kind: str
    action: str
    operation_class: OperationClass
    resource_type: str
    resource_id: str
    project_id: str
    params: dict[str, Any]


def on_node(kind: str, action: str, node_id: str, params: dict[str, Any]) -> NewOperation:
    """What a node is to be asked for, however long it is away. It shows a node, so it is the administrators'."""
    return NewOperation(
        kind=kind, action=action, operation_class=OperationClass.DEVICE, resource_type="node", resource_id=node_id,
        project_id="", params=params,
    )  # fmt: skip


#: in an operation's params: it may begin only when the resource's device operations have ended
AFTER_DEVICES = "after_devices"


def create(session: Session, new: NewOperation, context: RequestContext, now: datetime) -> Operation:
    """Insert a due operation, in the transaction of the change it is about."""
    operation = Operation(**values(new, context, now))
    session.add(operation)
    session.flush()
    return operation


def create_all(session: Session, made: Sequence[dict[str, Any]]) -> None:
    """Insert due operations, each of `values`, in one statement."""
    session.connection().execute(sa.insert(_OPERATIONS), list(made))


def values(new: NewOperation, context: RequestContext, now: datetime) -> dict[str, Any]:
    """The columns of a due operation, with an id of its own."""
    return {
        "id": new_id(), "request_id": context.request_id, "global_request_id": context.global_request_id,
        "kind": new.kind, "action": new.action, "operation_class": new.operation_class,
        "resource_type": new.resource_type, "resource_id": new.resource_id, "project_id": new.project_id,
        "user_id": context.user_id, "state": OperationState.PENDING, "step": "", "params": new.params, "results": {},
        "reasoning": {}, "run_at": now, "created_at": now, "updated_at": now,
    }  # fmt: skip


def due(session: Session, now: datetime, limit: int) -> list[str]:
    """Ids of operations that somebody should work on, oldest first within a project, projects taking turns (DOS-12)."""
    turn = sa.func.row_number().over(partition_by=Operation.project_id, order_by=(Operation.run_at, Operation.id))
    ready = sa.select(Operation.id, Operation.run_at, turn.label("turn")).where(_due(now)).subquery()
    return list(session.scalars(sa.select(ready.c.id).order_by(ready.c.turn, ready.c.run_at).limit(limit)))


def take_due(session: Session, operation_id: str, owner: str, now: datetime, lease_s: float) -> Operation | None:
    """As `lease`, for this transaction only, which ends with `save`: one row written instead of two.

    None: it is not due, or another worker is at it.
    """
    found = session.scalars(_TAKE_DUE, {"operation_id": operation_id, "now": now}).one_or_none()
    return None if found is None else _taken(session, found, owner, now, lease_s)


def _taken(session: Session, operation: Operation, owner: str, now: datetime, lease_s: float) -> Operation:
    session.expunge(operation)  # only `save`, which checks the fence, writes the row
    operation.lease_owner, operation.lease_until = owner, now + timedelta(seconds=lease_s)
    return operation


def lease(session: Session, operation_id: str, owner: str, now: datetime, lease_s: float = LEASE_S) -> Operation | None:
    """Take the lease if the operation is due; None when another worker was quicker. One conditional UPDATE."""
    return session.scalars(
        sa.update(Operation)
        .where(Operation.id == operation_id, _due(now))
        .values(lease_owner=owner, lease_until=now + timedelta(seconds=lease_s), lease_count=Operation.lease_count + 1)
        .returning(Operation)
        .execution_options(populate_existing=True)
    ).one_or_none()


def renew(session: Session, operation: Operation, now: datetime, lease_s: float = LEASE_S) -> None:
    """Raises LeaseLost when another worker holds the operation."""
    _fenced(session, operation, {"lease_until": now + timedelta(seconds=lease_s)})


def save(session: Session, operation: Operation, now: datetime, *, keep_lease: bool, **changes: Any) -> None:
    """Write progress, if this worker still holds the operation. Raises LeaseLost otherwise, and then nothing is written.

    lease_count rises: after the commit the holder adopts it with what else was written (`adopt`).
    """
    owner, until = (operation.lease_owner, operation.lease_until) if keep_lease else (None, None)
    values = {**changes, "updated_at": now, "lease_owner": owner, "lease_until": until}
    _fenced(session, operation, {**values, "lease_count": operation.lease_count + 1})


def adopt(operation: Operation, values: dict[str, Any]) -> None:
    """Carry what `save` has written, and is committed, into the copy this worker holds; it is part of no session."""
    for key, value in values.items():
        setattr(operation, key, value)
    operation.lease_count += 1


def _fenced(session: Session, operation: Operation, values: dict[str, Any]) -> None:
    fence = {"operation": operation.id, "held_at": operation.lease_count}
    if session.connection().execute(_FENCED, {**values, **fence}).rowcount == 0:
        raise LeaseLost(f"operation {operation.id} is held by another worker")


#: sets the columns that it is executed with
_FENCED = sa.update(_OPERATIONS).where(
    _OPERATIONS.c.id == sa.bindparam("operation"), _OPERATIONS.c.lease_count == sa.bindparam("held_at")
)


def take_waiting(session: Session, report: Report, owner: str, now: datetime, lease_s: float) -> Operation | None:
    """The operation that waits for this report from this node, for this transaction only, as `deliver` leases it."""
    waits_for = {
        "operation_id": report.operation_id,
        "command_id": report.command_id,
        "node": report.node,
        "epoch": report.epoch,
    }
    found = session.scalars(_TAKE_WAITING, waits_for).one_or_none()
    if found is None:
        return None
    taken = _taken(session, found, owner, now, lease_s)
    taken.report = msgspec.to_builtins(report)
    return taken


def deliver(session: Session, report: Report, owner: str, now: datetime, lease_s: float = LEASE_S) -> Operation | None:
    """Store an agent's final report on the operation that waits for it, and lease it. None: nobody waits for it.

    The command id ties it to the very command that is out, at its epoch and from its node: a report about an older one
    changes nothing. lease_count rises, so a worker that was about to send the command again finds its lease gone.
    """
    return session.scalars(
        sa.update(Operation)
        .where(
            Operation.id == report.operation_id,
            *_waits_for(report.command_id, report.node, report.epoch),
        )
        .values(
            report=msgspec.to_builtins(report),
            run_at=now,
            lease_owner=owner,
            lease_until=now + timedelta(seconds=lease_s),
            lease_count=Operation.lease_count + 1,
            updated_at=now,
        )
        .returning(Operation)
        .execution_options(populate_existing=True)
    ).one_or_none()


def accepted(session: Session, report: Report, ask_again_at: datetime) -> None:
    """The node has written the command down: resend later, not now. Said by another node it changes nothing."""
    session.execute(
        sa.update(Operation)
        .where(
            Operation.id == report.operation_id,
            *_waits_for(report.command_id, report.node, report.epoch),
            Operation.run_at < ask_again_at,
            Operation.lease_owner.is_(None),
        )
        .values(run_at=ask_again_at)
        .execution_options(synchronize_session=False)
    )


def request_cancel(session: Session, resource_id: str, except_id: str, now: datetime) -> int:
    """Ask every other open operation of a resource to stop at its next step; how many there are."""
    done = session.execute(
        sa.update(Operation)
        .where(
            Operation.resource_id == resource_id,
            Operation.id != except_id,
            Operation.state.in_(OPEN_OPERATION_STATES),
            Operation.operation_class != OperationClass.PREEMPTING,
        )
        .values(cancel_requested=True, run_at=now, updated_at=now)
        .execution_options(synchronize_session=False)
    )
    return int(done.rowcount)  # type: ignore[attr-defined]


def open_for(session: Session, resource_id: str, except_id: str = "") -> list[Operation]:
    """The unfinished operations of a resource, oldest first."""
    return list(
        session.scalars(
            sa.select(Operation)
            .where(
                Operation.resource_id == resource_id,
                Operation.id != except_id,
                Operation.state.in_(OPEN_OPERATION_STATES),
            )
            .order_by(Operation.created_at, Operation.id)
        )
    )


def device_open(session: Session, resource_id: str) -> bool:
    """Whether a device comes to the resource, or leaves it, just now."""
    mine = (Operation.resource_id == resource_id, Operation.device_id.is_not(None))
    return bool(session.scalar(sa.select(sa.exists().where(*mine, Operation.state.in_(OPEN_OPERATION_STATES)))))


def get(session: Session, operation_id: str) -> Operation | None:
    return session.get(Operation, operation_id)


def latest(session: Session, resource_id: str, kind: str | None = None) -> Operation | None:
    query = sa.select(Operation).where(Operation.resource_id == resource_id)
    if kind:
        query = query.where(Operation.kind == kind)
    return session.scalars(query.order_by(Operation.created_at.desc(), Operation.id).limit(1)).one_or_none()


def for_resource(session: Session, resource_id: str) -> list[Operation]:
    """All operations of a resource, newest first."""
    return list(
        session.scalars(
            sa.select(Operation)
            .where(Operation.resource_id == resource_id)
            .order_by(Operation.created_at.desc(), Operation.id)
        )
    )


def by_request(session: Session, resource_id: str, request_id: str) -> Operation | None:
    return session.scalars(
        sa.select(Operation)
        .where(Operation.resource_id == resource_id, Operation.request_id == request_id)
        .order_by(Operation.created_at)
        .limit(1)
    ).one_or_none()


def list_recent(
    session: Session,
    *,
    project_id: str | None,
    states: Sequence[str],
    page: Page,
    resource_id: str | None = None,
    stuck_at: datetime | None = None,
) -> list[Operation]:
    """One page, newest first; project_id None: of all projects (administrators).

    stuck_at: only those that need a person at that time: stuck, or open and past their deadline.
    Raises InvalidRequest for an unknown marker.
    """
    query = sa.select(Operation)
    if project_id is not None:
        query = query.where(Operation.project_id == project_id)
    if states:
        query = query.where(Operation.state.in_(states))
    if resource_id:
        query = query.where(Operation.resource_id == resource_id)
    if stuck_at is not None:
        late = sa.and_(Operation.state.in_(OPEN_OPERATION_STATES), Operation.step_deadline < stuck_at)
        query = query.where(sa.or_(Operation.state == OperationState.STUCK, late))
    newest_first = [("created_at", True)]
    columns = {"created_at": Operation.created_at}
    return paging.fetch(session, query, page, columns=columns, default=newest_first, key=Operation.id)


def count_by_state(session: Session) -> dict[str, int]:
    rows = session.execute(sa.select(Operation.state, sa.func.count()).group_by(Operation.state))
    return {row[0]: row[1] for row in rows}


def add_event(
    session: Session,
    *,
    operation_id: str | None,
    resource_id: str,
    name: str,
    now: datetime,
    result: str = "",
    node_name: str | None = None,
    message: str = "",
    detail: str = "",
    started_at: datetime | None = None,
) -> None:
    """Append to the history; finished at once unless result is "" (still going on)."""
    session.add(
        OperationEvent(
            operation_id=operation_id,
            resource_id=resource_id,
            name=name,
            result=result,
            node_name=node_name,
            message=message,
            detail=detail,
            started_at=started_at or now,
            finished_at=now if result else None,
        )
    )


def events(session: Session, operation_ids: Sequence[str]) -> list[OperationEvent]:
    """The events of these operations in the order they were written."""
    return list(
        session.scalars(
            sa.select(OperationEvent)
            .where(OperationEvent.operation_id.in_(operation_ids))
            .order_by(OperationEvent.number)
        )
    )
