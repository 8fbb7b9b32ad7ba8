"""Attach a volume to a server: hold the volume, have it served if need be, and the disk plugged in; show it as in use.

The request has reserved the volume and chosen the disk's name; when the operation fails the volume is free again.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from common.db import volume_attachments, volumes
from common.deadlines import EXPORT_S, PLUG_S, WAIT_FOR_VOLUME_S
from common.saga.model import Local, Remote, Saga, Send, StepContext
from common.volume_states import AttachStatus
from scheduler.sagas.shared import NodeSilent, device_stuck, report_error
from scheduler.sagas.volume_disks import (
    assign_export,
    export_volume,
    forget_export,
    hold,
    is_nowhere,
    is_unknown,
    leave_unknown,
    let_go,
    plug_volume,
    unplug_in_undo,
    unwound,
    withdraw_export,
)


def saga() -> Saga:
    return Saga(
        kind="server_attach_volume",
        steps=(
            Local("hold", do=hold, undo=release, deadline_s=WAIT_FOR_VOLUME_S),
            Local("assign_export", do=assign_export, undo=forget_export),
            Remote("export_volume", do=export_volume, undo=withdraw_export, failed=report_error, deadline_s=EXPORT_S),
            Remote("plug_volume", do=plug, undo=unplug_in_undo, failed=report_error, deadline_s=PLUG_S),
            Local("finish", do=finish),
        ),
        unwound=unwound,
        stuck=stuck,
    )


def release(session: Session, context: StepContext) -> None:
    """The reservation that the request made is over, too, unless the guest may have the disk."""
    if is_unknown(context):
        leave_unknown(session, context, context.operation.error or {})
        return
    let_go(session, context)
    volume_attachments.end(session, context.params["attachment_id"], context.now)
    volumes.settle(session, context.params["device_id"], context.now)


def plug(session: Session, context: StepContext) -> Send | None:
    """Raises NodeSilent."""
    send = plug_volume(session, context)
    if send is None and not is_nowhere(session, context):
        raise NodeSilent("The server's node does not answer, so that no disk can be attached.")
    return send


def finish(session: Session, context: StepContext) -> dict[str, Any]:
    let_go(session, context)
    volume_attachments.move(
        session, context.params["attachment_id"], (AttachStatus.ATTACHING,), AttachStatus.ATTACHED, context.now,
        attached_at=context.now,
    )  # fmt: skip
    volumes.settle(session, context.params["device_id"], context.now)
    return {}


def stuck(session: Session, context: StepContext, error: dict[str, Any]) -> None:
    leave_unknown(session, context, error)
    device_stuck(session, context, error)
