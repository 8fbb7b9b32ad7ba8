"""Withdraw an export whose attachment is over: its server was deleted, or its node was silent when it was detached.

It waits for as long as the node is away. Until then the export's port is given to nobody else, and whoever attaches the
volume to another server ends the export anyway, because that node has to be asked for it.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from common.db import volume_exports, volumes
from common.deadlines import AWAIT_NODE_S, EXPORT_S
from common.rpc.volume_commands import WithdrawExport
from common.saga.model import Local, Remote, RetryFrom, Saga, Send, StepContext
from scheduler.sagas import silent_node
from scheduler.sagas.volume_shared import command_fields


def saga() -> Saga:
    return Saga(
        kind=volume_exports.SAGA,
        steps=(
            Local(silent_node.AWAIT, do=silent_node.await_node, deadline_s=AWAIT_NODE_S),
            Remote("withdraw_export", do=withdraw, failed=silent_node.try_again, deadline_s=EXPORT_S),
            Local("forget", do=forget),
        ),
        unwound=keep,
        stuck=lambda _session, _context, _error: None,
    )


def withdraw(session: Session, context: StepContext) -> Send | RetryFrom | None:
    """Ask; back to waiting when the node falls silent again."""
    if silent_node.is_off(session, context):
        return None  # its agent learns of it with the next export of the volume, or its removal
    if (again := silent_node.silent_again(session, context)) is not None:
        return again
    params = context.params
    volume = volumes.get(session, params["volume_id"], deleted=True)
    common, about = command_fields(context, volume, "withdraw_export")
    return Send(params["node"], WithdrawExport(export_id=params["export_id"], **common, **about))


def forget(session: Session, context: StepContext) -> dict[str, Any]:
    volume_exports.forget(session, context.params["export_id"])
    return {}


def keep(_session: Session, _context: StepContext, _error: dict[str, Any], _cancelled: bool) -> None:
    """The port stays taken: the export may be there still."""
