"""Delete a snapshot of a volume: hold the volume, have the node remove the copy, give claim and quota back.

Or keep it, as a file that the cloud manages no more (os-unmanage).
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from common.db import node_life, volume_messages, volume_snapshots, volumes
from common.db.volume_messages import ResourceType
from common.deadlines import VOLUME_ABSENT_S, WAIT_FOR_VOLUME_S
from common.rpc.volume_commands import (
    EnsureVolumeSnapshotAbsent,
)
from common.saga.model import Local, Remote, Saga, Send, StepContext
from common.volume_states import SnapshotStatus
from scheduler.sagas.shared import NodeSilent, report_error
from scheduler.sagas.volume_shared import command_fields, hold, let_go


def saga() -> Saga:
    return Saga(
        kind="snapshot_delete",
        steps=(
            Local("hold", do=hold, undo=let_go, deadline_s=WAIT_FOR_VOLUME_S),
            Remote("snapshot_absent", do=snapshot_absent, failed=report_error, deadline_s=VOLUME_ABSENT_S),
            Local("finish", do=finish),
        ),
        unwound=unwound,
        stuck=stuck,
    )


def snapshot_absent(session: Session, context: StepContext) -> Send | None:
    snapshot = volume_snapshots.get(session, context.params["snapshot_id"], deleted=True)
    if snapshot.deleted or snapshot.node_name is None or snapshot.node_id is None:
        return None
    if node_life.is_down(session, snapshot.node_id, context.now):
        raise NodeSilent(
            "The node that has the snapshot does not answer; delete it again when it does.", node=snapshot.node_name
        )
    volume = volumes.get(session, snapshot.volume_id, deleted=True)
    common, about = command_fields(context, volume, "snapshot_absent")
    kept = f"_snapshot-{snapshot.id}.{snapshot.disk_format}" if context.params.get("unmanage") else ""
    command = EnsureVolumeSnapshotAbsent(snapshot_id=snapshot.id, unmanaged_as=kept, **common, **about)
    return Send(snapshot.node_name, command)


def finish(session: Session, context: StepContext) -> dict[str, Any]:
    let_go(session, context)
    snapshot = volume_snapshots.get(session, context.params["snapshot_id"], deleted=True)
    volume_snapshots.mark_deleted(session, snapshot, context.now)
    return {}


def unwound(session: Session, context: StepContext, error: dict[str, Any], cancelled: bool) -> None:
    let_go(session, context)
    snapshot = volume_snapshots.get(session, context.params["snapshot_id"], deleted=True)
    if not cancelled:
        volume_messages.tell(
            session, context.operation, ResourceType.SNAPSHOT, snapshot.id, error, context.now,
            project_id=snapshot.project_id,
        )  # fmt: skip
    deleting = (SnapshotStatus.DELETING,)
    volume_snapshots.set_status(session, snapshot.id, deleting, SnapshotStatus.ERROR_DELETING, context.now)


def stuck(session: Session, context: StepContext, error: dict[str, Any]) -> None:
    unwound(session, context, error, False)
