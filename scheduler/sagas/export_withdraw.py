"""Withdraw an export whose attachment is over: its server was deleted, or its node was silent when it was detached.

It waits for as long as the node is away. Until then the export's port is given to nobody else, and whoever attaches the
volume to another server ends the export anyway, because that node has to be asked for it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from common.db import node_life, volume_exports, volumes
from common.deadlines import AWAIT_NODE_S, EXPORT_S, RESEND_MAX_S
from common.errors import CloudError
from common.rpc.compute_v1 import Report
from common.rpc.volume_commands import WithdrawExport
from common.saga.model import Local, Outcome, Remote, RetryFrom, Saga, Send, StepContext, Wait
from scheduler.sagas.shared import NodeSilent, report_error
from scheduler.sagas.volume_shared import command_fields

AWAIT = "await_node"
_LOOK_AGAIN = "look_again_at"


def saga() -> Saga:
    return Saga(
        kind=volume_exports.SAGA,
        steps=(
            Local(AWAIT, do=await_node, deadline_s=AWAIT_NODE_S),
            Remote("withdraw_export", do=withdraw, failed=try_again, deadline_s=EXPORT_S),
            Local("forget", do=forget),
        ),
        unwound=keep,
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


def withdraw(session: Session, context: StepContext) -> Send | RetryFrom | None:
    """Ask; back to waiting when the node falls silent again."""
    node_id, params = context.operation.resource_id, context.params
    if node_life.is_powered_off(session, node_id):
        return None  # its agent learns of it with the next export of the volume, or its removal
    deadline = context.operation.step_deadline if context.operation.sent else None
    if node_life.is_down(session, node_id, context.now) or (deadline is not None and context.now >= deadline):
        return _from_the_start(context, NodeSilent(f"Node {params['node']} does not answer.", node=params["node"]))
    volume = volumes.get(session, params["volume_id"], deleted=True)
    common, about = command_fields(context, volume, "withdraw_export")
    return Send(params["node"], WithdrawExport(export_id=params["export_id"], **common, **about))


def try_again(context: StepContext, report: Report) -> RetryFrom:
    return _from_the_start(context, report_error(context, report))


def _from_the_start(context: StepContext, error: CloudError) -> RetryFrom:
    again_at = context.now + timedelta(seconds=RESEND_MAX_S)
    context.operation.results = {**context.operation.results, _LOOK_AGAIN: again_at.isoformat()}
    return RetryFrom(AWAIT, error)


def forget(session: Session, context: StepContext) -> dict[str, Any]:
    volume_exports.forget(session, context.params["export_id"])
    return {}


def keep(_session: Session, _context: StepContext, _error: dict[str, Any], _cancelled: bool) -> None:
    """The port stays taken: the export may be there still."""
