"""Make a snapshot of a volume: hold the volume, claim disk beside it, have the node copy its bytes of one moment.

A guest that has the volume goes on meanwhile.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from common.db import node_life, nodes, operations, volume_messages, volume_snapshots, volumes
from common.db.volume_messages import ResourceType
from common.deadlines import ENSURE_VOLUME_S, WAIT_FOR_VOLUME_S
from common.errors import StateConflict
from common.rpc.volume_commands import (
    EnsureVolumeSnapshotAbsent,
    SnapshotVolume,
)
from common.saga.model import Local, Outcome, Remote, Saga, Send, StepContext
from common.volume_capabilities import RBD, node_gib
from common.volume_states import SnapshotStatus
from scheduler import volume_places
from scheduler.sagas.shared import report_error
from scheduler.sagas.volume_shared import Place, command_fields, hold, place_of
from scheduler.sagas.volume_shared import let_go as free_volume


def saga() -> Saga:
    return Saga(
        kind="snapshot_create",
        steps=(
            Local("hold", do=hold, undo=let_go, deadline_s=WAIT_FOR_VOLUME_S),
            Local("claim", do=claim, undo=release),
            Remote(
                "snapshot_volume",
                do=snapshot_volume,
                undo=snapshot_absent,
                failed=report_error,
                deadline_s=ENSURE_VOLUME_S,
            ),
            Local("finish", do=finish),
        ),
        unwound=unwound,
        stuck=stuck,
    )


def let_go(session: Session, context: StepContext) -> None:
    """A deletion that waits for this has the volume next: what is asked later, as detaching, finds the snapshot gone."""
    free_volume(session, context)
    for later in operations.open_for(session, context.params["snapshot_id"], except_id=context.operation.id):
        volumes.hold(session, context.params["volume_id"], later.id)


def claim(session: Session, context: StepContext) -> Outcome:
    """The snapshot's bytes lie where the volume's are worked on."""
    snapshot = volume_snapshots.get(session, context.params["snapshot_id"])
    if snapshot.node_id is not None:
        return {"node": snapshot.node_name}
    place, backend = _place(session, context), volumes.get(session, snapshot.volume_id).backend
    node = volume_places.claim(
        session, context, consumer_id=snapshot.id, purpose=volume_snapshots.PURPOSE,
        size_gib=node_gib(backend, snapshot.size_gib), project_id=snapshot.project_id, only_on=place.node,
    )  # fmt: skip
    disk_format = "raw" if backend == RBD else "qcow2"
    volume_snapshots.change(session, snapshot.id, node_id=node.id, node_name=node.name, disk_format=disk_format)
    return {"node": node.name}


def release(session: Session, context: StepContext) -> None:
    snapshot_id = context.params["snapshot_id"]
    nodes.release_all(session, snapshot_id)
    volume_snapshots.change(session, snapshot_id, node_id=None, node_name=None)


def snapshot_volume(session: Session, context: StepContext) -> Send:
    volume = volumes.get(session, context.params["volume_id"])
    place = _place(session, context)
    common, about = command_fields(context, volume, "snapshot_volume", place)
    command = SnapshotVolume(
        disk_format=volume.disk_format, snapshot_id=context.params["snapshot_id"],
        existing=context.params.get("existing") or "", **common, **about,
    )  # fmt: skip
    return Send(place.node, command)


def snapshot_absent(session: Session, context: StepContext) -> Send | None:
    snapshot = volume_snapshots.get(session, context.params["snapshot_id"], deleted=True)
    if snapshot.node_name is None or snapshot.node_id is None or node_life.is_cut_off(session, snapshot.node_id):
        return None
    volume = volumes.get(session, snapshot.volume_id, deleted=True)
    common, about = command_fields(context, volume, "snapshot_volume", place_of(session, volume))
    command = EnsureVolumeSnapshotAbsent(
        snapshot_id=snapshot.id, unmanaged_as=context.params.get("existing") or "", **common, **about
    )
    return Send(snapshot.node_name, command)


def finish(session: Session, context: StepContext) -> dict[str, Any]:
    let_go(session, context)
    creating = (SnapshotStatus.CREATING,)
    snapshot_id = context.params["snapshot_id"]
    volume_snapshots.set_status(session, snapshot_id, creating, SnapshotStatus.AVAILABLE, context.now, progress=100)
    return {}


def _place(session: Session, context: StepContext) -> Place:
    """An unmanaged file that becomes the snapshot is where the volume's own file is."""
    volume = volumes.get(session, context.params["volume_id"])
    if context.params.get("existing") and volume.node_name is not None and volume.node_id is not None:
        return Place(volume.node_name, volume.node_id)
    place = place_of(session, volume)
    if place is None:
        raise StateConflict(f"Volume {volume.id} is on no node: its creation failed.")
    return place


def unwound(session: Session, context: StepContext, error: dict[str, Any], cancelled: bool) -> None:
    let_go(session, context)
    snapshot_id = context.params["snapshot_id"]
    if not cancelled:
        volume_messages.tell(session, context.operation, ResourceType.SNAPSHOT, snapshot_id, error, context.now)
    creating = (SnapshotStatus.CREATING,)
    volume_snapshots.set_status(session, snapshot_id, creating, SnapshotStatus.ERROR, context.now)


def stuck(session: Session, context: StepContext, error: dict[str, Any]) -> None:
    unwound(session, context, error, False)
