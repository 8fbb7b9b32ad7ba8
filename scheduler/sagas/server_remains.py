"""Clear up what may be left of a server on a node that was down when the server was deleted, moved or given up.

It waits for as long as the node is away, because only the node can say that nothing is left; `cumulet node forget` ends
the wait. Until then it holds the claim there and, of a deleted server, the ports with their addresses and the volumes.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from common.db import node_life, remains
from common.deadlines import AWAIT_NODE_S, ENSURE_ABSENT_S, RESEND_MAX_S
from common.errors import CloudError
from common.rpc.compute_v1 import EnsureAbsent, Report
from common.saga.model import Local, Outcome, Remote, RetryFrom, Saga, Send, StepContext, Wait
from scheduler.sagas.shared import NodeSilent, asked_by, report_error

AWAIT = "await_node"
_LOOK_AGAIN = "look_again_at"


def saga() -> Saga:
    return Saga(
        kind=remains.SAGA,
        steps=(
            Local(AWAIT, do=await_node, deadline_s=AWAIT_NODE_S),
            Remote("ensure_absent", do=ensure_absent, failed=try_again, deadline_s=ENSURE_ABSENT_S),
            Local("release", do=release),
        ),
        unwound=keep_holding,
        stuck=lambda _session, _context, _error: None,
    )


def await_node(session: Session, context: StepContext) -> Outcome:
    """Until the node is heard of, or is known to be off; after a failure also for a while."""
    again_at = context.results.get(_LOOK_AGAIN)
    pause_s = (datetime.fromisoformat(again_at) - context.now).total_seconds() if again_at else 0.0
    node_id = context.operation.resource_id
    if node_life.is_powered_off(session, node_id):
        return {}
    if pause_s > 0:
        return Wait(pause_s)
    return Wait(RESEND_MAX_S) if node_life.is_down(session, node_id, context.now) else {}


def ensure_absent(session: Session, context: StepContext) -> Send | RetryFrom | None:
    """Ask; back to waiting when the node falls silent again."""
    node_id, params = context.operation.resource_id, context.params
    if node_life.is_powered_off(session, node_id):
        return None
    deadline = context.operation.step_deadline if context.operation.sent else None
    if node_life.is_down(session, node_id, context.now) or (deadline is not None and context.now >= deadline):
        return _from_the_start(context, NodeSilent(f"Node {params['node']} does not answer.", node=params["node"]))
    assert context.command_deadline is not None
    return Send(
        params["node"],
        EnsureAbsent(
            id=context.command_id, operation_id=context.operation.id, step="ensure_absent",
            request_id=context.operation.request_id, instance_id=params["instance_id"], epoch=params["epoch"],
            generation=params["generation"], deadline=context.command_deadline,
        ),
    )  # fmt: skip


def try_again(context: StepContext, report: Report) -> RetryFrom:
    return _from_the_start(context, report_error(context, report))


def _from_the_start(context: StepContext, error: CloudError) -> RetryFrom:
    again_at = context.now + timedelta(seconds=RESEND_MAX_S)
    context.operation.results = {**context.operation.results, _LOOK_AGAIN: again_at.isoformat()}
    return RetryFrom(AWAIT, error)


def release(session: Session, context: StepContext) -> dict[str, Any]:
    remains.release(session, context.operation.id, asked_by(context), context.now)
    return {}


def keep_holding(_session: Session, _context: StepContext, _error: dict[str, Any], _cancelled: bool) -> None:
    """Nothing is given back that might still be used; the audit shows what is held by an operation that is over."""
