"""Delete a volume: wait until nobody works on its bytes, have the node remove the file, give claim and quota back.

Or keep it, as a file that the cloud manages no more (os-unmanage). With cascade its snapshots go too, each by an operation
of its own that this one waits for.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from common.db import node_life, operations, volume_attachments, volume_snapshots, volumes
from common.deadlines import VOLUME_ABSENT_S, WAIT_FOR_CANCELLED_S, WAIT_FOR_VOLUME_S
from common.errors import CloudError
from common.rpc.volume_commands import (
    EnsureVolumeAbsent,
)
from common.saga.model import Local, Outcome, Remote, Saga, Send, StepContext, Wait
from common.volume_states import SnapshotStatus
from scheduler.sagas.shared import NodeSilent, asked_by, report_error
from scheduler.sagas.volume_shared import (
    POLL_S,
    action_stuck,
    action_unwound,
    command_fields,
    hold,
    let_go,
)


class SnapshotRemains(CloudError):
    """A snapshot of a volume that is to go with all of them could not be deleted."""

    code = "snapshot_remains"


def saga() -> Saga:
    return Saga(
        kind="volume_delete",
        steps=(
            Local("wait_for_others", do=wait_for_others, deadline_s=WAIT_FOR_CANCELLED_S),
            Local("delete_snapshots", do=delete_snapshots, deadline_s=WAIT_FOR_VOLUME_S),
            Local("hold", do=hold, undo=let_go, deadline_s=WAIT_FOR_VOLUME_S),
            Remote("ensure_volume_absent", do=ensure_absent, failed=report_error, deadline_s=VOLUME_ABSENT_S),
            Local("finish", do=finish),
        ),
        unwound=action_unwound,
        stuck=action_stuck,
    )


def wait_for_others(session: Session, context: StepContext) -> Outcome:
    """A forced deletion has asked what was going on to stop."""
    others = operations.open_for(session, context.params["volume_id"], except_id=context.operation.id)
    earlier = [
        each for each in others if (each.created_at, each.id) < (context.operation.created_at, context.operation.id)
    ]
    return Wait(POLL_S) if earlier else {}


def delete_snapshots(session: Session, context: StepContext) -> Outcome:
    if not context.params.get("cascade"):
        return {}
    left = volume_snapshots.of_volume(session, context.params["volume_id"])
    for snapshot in left:
        if snapshot.status == SnapshotStatus.DELETING:
            continue
        if snapshot.status == SnapshotStatus.ERROR_DELETING:
            raise SnapshotRemains(f"Snapshot {snapshot.id} could not be deleted, so its volume stays.")
        volume_snapshots.begin_delete(session, snapshot, asked_by(context), context.now)
    return Wait(POLL_S) if left else {}


def ensure_absent(session: Session, context: StepContext) -> Send | None:
    volume = volumes.get(session, context.params["volume_id"], deleted=True)
    if volume.deleted or volume.node_name is None or volume.node_id is None:
        return None
    if node_life.is_down(session, volume.node_id, context.now):
        raise NodeSilent(
            "The node that has the volume does not answer; delete the volume again when it does.", node=volume.node_name
        )
    common, about = command_fields(context, volume, "ensure_volume_absent")
    kept = f"volume-{volume.id}.{volume.disk_format}" if context.params.get("unmanage") else ""
    command = EnsureVolumeAbsent(unmanaged_as=kept, disk_format=volume.disk_format, **common, **about)
    return Send(volume.node_name, command)


def finish(session: Session, context: StepContext) -> dict[str, Any]:
    volume = volumes.get(session, context.params["volume_id"], deleted=True)
    for attachment in volume_attachments.of_volume(session, volume.id):
        volume_attachments.end(session, attachment.id, context.now)
    volumes.mark_deleted(session, volume, context.now, volumes.amounts_of(volume))
    return {}
