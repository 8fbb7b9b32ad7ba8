"""Clear up what may be left of a server on a node that was down when the server was deleted, moved or given up.

It waits for as long as the node is away, because only the node can say that nothing is left; `cumulet node forget` ends
the wait. Until then it holds the claim there and, of a deleted server, the ports with their addresses and the volumes.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from common.db import remains
from common.deadlines import AWAIT_NODE_S, ENSURE_ABSENT_S
from common.rpc.compute_v1 import EnsureAbsent
from common.saga.model import Local, Remote, RetryFrom, Saga, Send, StepContext
from scheduler.sagas import silent_node
from scheduler.sagas.shared import asked_by


def saga() -> Saga:
    return Saga(
        kind=remains.SAGA,
        steps=(
            Local(silent_node.AWAIT, do=silent_node.await_node, deadline_s=AWAIT_NODE_S),
            Remote("ensure_absent", do=ensure_absent, failed=silent_node.try_again, deadline_s=ENSURE_ABSENT_S),
            Local("release", do=release),
        ),
        unwound=keep_holding,
        stuck=lambda _session, _context, _error: None,
    )


def ensure_absent(session: Session, context: StepContext) -> Send | RetryFrom | None:
    """Ask; back to waiting when the node falls silent again."""
    if silent_node.is_off(session, context):
        return None
    if (again := silent_node.silent_again(session, context)) is not None:
        return again
    params = context.params
    assert context.command_deadline is not None
    return Send(
        params["node"],
        EnsureAbsent(
            id=context.command_id, operation_id=context.operation.id, step="ensure_absent",
            request_id=context.operation.request_id, instance_id=params["instance_id"], epoch=params["epoch"],
            generation=params["generation"], deadline=context.command_deadline,
        ),
    )  # fmt: skip


def release(session: Session, context: StepContext) -> dict[str, Any]:
    remains.release(session, context.operation.id, asked_by(context), context.now)
    return {}


def keep_holding(_session: Session, _context: StepContext, _error: dict[str, Any], _cancelled: bool) -> None:
    """Nothing is given back that might still be used; the audit shows what is held by an operation that is over."""
