"""Detach a volume from a server: the node has the guest let the disk go, its export ends, then the volume is free.

A guest that keeps the disk keeps the volume: nobody else gets it while somebody may still write to it.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from common.db import volume_attachments, volumes
from common.deadlines import EXPORT_S, UNPLUG_S, WAIT_FOR_VOLUME_S
from common.saga.model import Local, Remote, Saga, Send, StepContext
from common.volume_states import AttachStatus
from scheduler.sagas.shared import NodeSilent, device_stuck, report_error
from scheduler.sagas.volume_disks import (
    export_again,
    forget_export,
    hold,
    is_nowhere,
    is_unknown,
    leave_unknown,
    let_go,
    plug_in_undo,
    unplug_volume,
    unwound,
    withdraw_export,
)


def saga() -> Saga:
    return Saga(
        kind="server_detach_volume",
        steps=(
            Local("hold", do=hold, undo=keep, deadline_s=WAIT_FOR_VOLUME_S),
            Remote("unplug_volume", do=unplug, undo=plug_in_undo, failed=report_error, deadline_s=UNPLUG_S),
            Remote("withdraw_export", do=withdraw_export, undo=export_again, failed=report_error, deadline_s=EXPORT_S),
            Local("finish", do=finish),
        ),
        unwound=unwound,
        stuck=stuck,
    )


def unplug(session: Session, context: StepContext) -> Send | None:
    """Raises NodeSilent: a guest that may run there may write to the volume."""
    send = unplug_volume(session, context)
    if send is None and not is_nowhere(session, context):
        raise NodeSilent(
            "The server's node does not answer, so that nobody knows whether its guest has let the disk go."
        )
    return send


def keep(session: Session, context: StepContext) -> None:
    """The guest has the disk still, as far as anybody knows."""
    if is_unknown(context):
        leave_unknown(session, context, context.operation.error or {})
        return
    let_go(session, context)
    detaching = (AttachStatus.DETACHING,)
    volume_attachments.move(
        session, context.params["attachment_id"], detaching, AttachStatus.ATTACHED, context.now
    )  # fmt: skip
    volumes.settle(session, context.params["device_id"], context.now)


def finish(session: Session, context: StepContext) -> dict[str, Any]:
    let_go(session, context)
    forget_export(session, context)
    volume_attachments.end(session, context.params["attachment_id"], context.now)
    volumes.set_fault(session, context.params["device_id"], None, context.now)
    volumes.settle(session, context.params["device_id"], context.now)
    return {}


def stuck(session: Session, context: StepContext, error: dict[str, Any]) -> None:
    leave_unknown(session, context, error)
    device_stuck(session, context, error)
