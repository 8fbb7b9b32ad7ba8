"""Bring a detached volume back to what it was when a snapshot of it was made."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from common.db import volume_snapshots, volumes
from common.deadlines import ENSURE_VOLUME_S, WAIT_FOR_VOLUME_S
from common.errors import StateConflict
from common.rpc.volume_commands import (
    RevertVolume,
)
from common.saga.model import Local, Remote, Saga, Send, StepContext
from common.volume_states import SnapshotStatus
from scheduler.sagas.shared import report_error
from scheduler.sagas.volume_shared import action_unwound, command_fields, end_action, hold, let_go


def saga() -> Saga:
    return Saga(
        kind="volume_revert",
        steps=(
            Local("hold", do=hold, undo=let_go, deadline_s=WAIT_FOR_VOLUME_S),
            Remote("revert_volume", do=revert_volume, failed=report_error, deadline_s=ENSURE_VOLUME_S),
            Local("finish", do=finish),
        ),
        unwound=unwound,
        stuck=stuck,
    )


def revert_volume(session: Session, context: StepContext) -> Send:
    """The snapshot's node does it: it has the bytes, and sees the volume's folder."""
    volume = volumes.get(session, context.params["volume_id"])
    snapshot = volume_snapshots.get(session, context.params["snapshot_id"])
    if snapshot.node_name is None:
        raise StateConflict(f"Snapshot {snapshot.id} is on no node: its creation failed.")
    common, about = command_fields(context, volume, "revert_volume")
    command = RevertVolume(
        disk_format=volume.disk_format, size_gib=volume.size_gib, snapshot_id=snapshot.id, **common, **about
    )
    return Send(snapshot.node_name, command)


def finish(session: Session, context: StepContext) -> dict[str, Any]:
    _free_snapshot(session, context)
    return end_action(session, context)


def unwound(session: Session, context: StepContext, error: dict[str, Any], cancelled: bool) -> None:
    _free_snapshot(session, context)
    action_unwound(session, context, error, cancelled)


def _free_snapshot(session: Session, context: StepContext) -> None:
    restoring = (SnapshotStatus.RESTORING,)
    volume_snapshots.set_status(
        session, context.params["snapshot_id"], restoring, SnapshotStatus.AVAILABLE, context.now
    )


def stuck(session: Session, context: StepContext, error: dict[str, Any]) -> None:
    unwound(session, context, error, False)
