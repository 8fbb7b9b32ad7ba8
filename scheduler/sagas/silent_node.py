"""What the sagas have in common that ask a node which may be away to give something up, for as long as that takes.

The operation's resource is the node, and `node` among its parameters the node's name. Their first step is AWAIT, to which
they come back whenever the node falls silent or fails; it waits then, so that a node that fails is not asked all the time.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from common.db import node_life
from common.deadlines import RESEND_MAX_S
from common.errors import CloudError
from common.rpc.compute_v1 import Report
from common.saga.model import Outcome, RetryFrom, StepContext, Wait
from scheduler.sagas.shared import NodeSilent, report_error

AWAIT = "await_node"
_LOOK_AGAIN = "look_again_at"


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


def is_off(session: Session, context: StepContext) -> bool:
    """Known to be powered off: nobody is there to be asked, and nothing there that could do harm."""
    return node_life.is_powered_off(session, context.operation.resource_id)


def silent_again(session: Session, context: StepContext) -> RetryFrom | None:
    """Back to waiting, when the node does not answer any more."""
    operation, name = context.operation, context.params["node"]
    deadline = operation.step_deadline if operation.sent else None
    late = deadline is not None and context.now >= deadline
    if late or node_life.is_down(session, operation.resource_id, context.now):
        return _from_the_start(context, NodeSilent(f"Node {name} does not answer.", node=name))
    return None


def try_again(context: StepContext, report: Report) -> RetryFrom:
    """After the node has failed."""
    return _from_the_start(context, report_error(context, report))


def _from_the_start(context: StepContext, error: CloudError) -> RetryFrom:
    again_at = context.now + timedelta(seconds=RESEND_MAX_S)
    context.operation.results = {**context.operation.results, _LOOK_AGAIN: again_at.isoformat()}
    return RetryFrom(AWAIT, error)
