"""Create a volume: hold what it is made from, claim disk on a node, have it make the file, fill it from a backup, finish.

A failure that another node might not have moves on, unless the bytes it is made from are on this node only.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from common.db import instances, node_life, volume_backups, volume_snapshots, volume_types, volumes
from common.db.models import Volume
from common.deadlines import BACKUP_S, ENSURE_VOLUME_S, NODE_DOWN_S, WAIT_FOR_NODES_S, WAIT_FOR_VOLUME_S
from common.errors import CloudError
from common.image_spec import image_spec
from common.rpc.compute_v1 import (
    Report,
)
from common.rpc.volume_commands import (
    EnsureVolume,
    EnsureVolumeAbsent,
    RestoreVolume,
)
from common.saga.model import Local, Outcome, Remote, RetryFrom, Saga, Send, StepContext, Wait
from common.states import VmState
from common.volume_capabilities import FILES
from scheduler import backup_places, volume_places
from scheduler.sagas.shared import NodeSilent, report_error
from scheduler.sagas.volume_shared import (
    POLL_S,
    Place,
    action_stuck,
    action_unwound,
    command_fields,
    end_action,
    place_of,
)

SERVER_POLL_S = 0.2


class ServerGone(CloudError):
    """The server that a volume was to be made for is not to be."""

    code = "server_gone"


def saga() -> Saga:
    return Saga(
        kind="volume_create",
        steps=(
            Local("hold_source", do=hold_source, undo=let_go, deadline_s=WAIT_FOR_VOLUME_S),
            Local("claim", do=claim, undo=release, deadline_s=WAIT_FOR_NODES_S + NODE_DOWN_S + WAIT_FOR_VOLUME_S),
            Remote(
                "ensure_volume", do=ensure_volume, undo=ensure_absent, failed=after_failure, deadline_s=ENSURE_VOLUME_S
            ),
            Remote("restore_volume", do=restore_volume, failed=report_error, deadline_s=BACKUP_S),
            Local("finish", do=finish),
        ),
        unwound=unwound,
        stuck=stuck,
    )


def hold_source(session: Session, context: StepContext) -> Outcome:
    """What it is made from may not change or go meanwhile: its volume's bytes are ours alone."""
    source_id = _source_volume(session, context)
    if source_id is None or volumes.hold(session, source_id, context.operation.id):
        return {"source_volume_id": source_id}
    return Wait(POLL_S)


def let_go(session: Session, context: StepContext) -> None:
    source_id = _source_volume(session, context)
    if source_id is not None:
        volumes.let_go(session, source_id, context.operation.id)


def _source_volume(session: Session, context: StepContext) -> str | None:
    """The volume whose bytes are copied; a snapshot's is held too, so that the snapshot is not deleted meanwhile."""
    snapshot_id = context.params.get("snapshot_id")
    if snapshot_id:
        return volume_snapshots.get(session, snapshot_id, deleted=True).volume_id
    source_id: str | None = context.params.get("source_volume_id")
    return source_id


def claim(session: Session, context: StepContext) -> Outcome:
    volume = volumes.get(session, context.params["volume_id"])
    if volume.node_id is not None:  # written in the transaction of the claim: done before, and it stands
        return {"node": volume.node_name, "node_id": volume.node_id}
    if _is_beside_server(context):
        return _await_server(session, context)
    if context.params.get("existing"):
        return _claim_there(session, context, volume)
    node = volume_places.claim(
        session, context, consumer_id=volume.id, purpose=volumes.PURPOSE, size_gib=volume.size_gib,
        project_id=volume.project_id, zone=volume.availability_zone, same_nodes=_seeing_source(session, context, volume),
        specs=volume_types.specs_of(session, volume.volume_type_id),
    )  # fmt: skip
    # In a raw file lies what a storage daemon has said is written, also when the daemon is killed.
    raw = volume.multiattach or node.backend != FILES
    disk_format = "raw" if raw else context.config.storage.volume_format
    volumes.place(session, volume, node.id, node.name, disk_format, context.now, backend=node.backend)
    return {"node": node.name, "node_id": node.id}


def _claim_there(session: Session, context: StepContext, volume: Volume) -> dict[str, Any]:
    """Where the unmanaged file is that is to become the volume, and in its format."""
    params = context.params
    node = volume_places.claim(
        session, context, consumer_id=volume.id, purpose=volumes.PURPOSE, size_gib=volume.size_gib,
        project_id=volume.project_id, only_on=params["node"],
        specs=volume_types.specs_of(session, volume.volume_type_id), closed=params["closed"],
    )  # fmt: skip
    volumes.place(session, volume, node.id, node.name, params["disk_format"], context.now, backend=node.backend)
    return {"node": node.name, "node_id": node.id}


def _await_server(session: Session, context: StepContext) -> Outcome:
    """The server that it is a disk of claims for it, where the server will be (server_create). Raises ServerGone."""
    instance = instances.get(session, context.params["for_instance"], deleted=True)
    if instance.deleted or instance.vm_state != VmState.BUILDING or context.results.get("tried"):
        raise ServerGone(f"Server {instance.id}, which the volume was to be made for, is not being created any more.")
    return Wait(SERVER_POLL_S)


def _source_place(session: Session, context: StepContext) -> Place | None:
    snapshot_id, source_id = context.params.get("snapshot_id"), context.params.get("source_volume_id")
    if snapshot_id:
        snapshot = volume_snapshots.get(session, snapshot_id)
        assert snapshot.node_name is not None
        assert snapshot.node_id is not None
        return Place(snapshot.node_name, snapshot.node_id)
    return place_of(session, volumes.get(session, source_id)) if source_id else None


def _seeing_source(session: Session, context: StepContext, volume: Volume) -> frozenset[str] | None:
    """Ids of the nodes that see the bytes that it is made from; None: all."""
    if not context.params.get("backup_id"):
        return volume_places.seeing_source(session, volume)
    backup = volume_backups.get(session, context.params["backup_id"])
    return frozenset(node.id for node in backup_places.seeing(session, context, backup))


def release(session: Session, context: StepContext) -> None:
    volumes.unplace(session, context.params["volume_id"])


def ensure_volume(session: Session, context: StepContext) -> Send | RetryFrom:
    volume = volumes.get(session, context.params["volume_id"])
    assert volume.node_name is not None
    assert volume.node_id is not None
    if context.operation.sent is not None and node_life.is_cut_off(session, volume.node_id):
        return _without_node(context, volume)
    source = _source_place(session, context)
    guest = source if source is not None and source.node == volume.node_name else None
    common, about = command_fields(context, volume, "ensure_volume", guest)
    image = context.params.get("image")
    command = EnsureVolume(
        size_gib=volume.size_gib,
        disk_format=volume.disk_format,
        image=image_spec(image, context.config) if image else None,
        snapshot_id=context.params.get("snapshot_id") or "",
        source_volume_id=_source_volume(session, context) or "",
        source_format=_source_format(session, context),
        source_backend=_source_backend(session, context),
        shareable=volume.multiattach,
        existing=context.params.get("existing") or "",
        **common,
        **about,
    )
    return Send(volume.node_name, command)


def _source_backend(session: Session, context: StepContext) -> str:
    source_id = _source_volume(session, context)
    return volumes.get(session, source_id, deleted=True).backend if source_id else ""


def _source_format(session: Session, context: StepContext) -> str:
    if context.params.get("snapshot_id"):
        return volume_snapshots.get(session, context.params["snapshot_id"]).disk_format
    if context.params.get("source_volume_id"):
        return volumes.get(session, context.params["source_volume_id"]).disk_format
    return ""


def _without_node(context: StepContext, volume: Volume) -> RetryFrom:
    """The node is cut off: on to another. What it has half made is removed when it is back and asked to."""
    error = NodeSilent("The node that was making the volume does not answer any more.", node=volume.node_name)
    tried = [*context.results.get("tried", []), volume.node_name]
    if _is_bound(context) or len(tried) >= context.config.scheduler.max_attempts:
        raise error
    context.operation.results = {**context.operation.results, "tried": tried}
    return RetryFrom("claim", error)


def ensure_absent(session: Session, context: StepContext) -> Send | None:
    volume = volumes.get(session, context.params["volume_id"], deleted=True)
    if volume.node_name is None or volume.node_id is None or node_life.is_cut_off(session, volume.node_id):
        return None
    common, about = command_fields(context, volume, "ensure_volume")
    command = EnsureVolumeAbsent(
        unmanaged_as=context.params.get("existing") or "", disk_format=volume.disk_format, **common, **about
    )
    return Send(volume.node_name, command)


def after_failure(context: StepContext, report: Report) -> RetryFrom | CloudError:
    """Another node, while there are attempts left and the failure is one that another node might not have."""
    tried = [*context.results.get("tried", []), report.node]
    context.operation.results = {**context.operation.results, "tried": tried}
    error = report_error(context, report)
    if _is_bound(context):
        return error
    if report.retry_elsewhere and len(tried) < context.config.scheduler.max_attempts:
        return RetryFrom("claim", error)
    return error


def _is_bound(context: StepContext) -> bool:
    """To one node: that of its server, or that of the file that becomes it."""
    return bool(_is_beside_server(context) or context.params.get("existing"))


def _is_beside_server(context: StepContext) -> bool:
    """Of a new server, and to be where that is; what is served to it may be anywhere."""
    return bool(context.params.get("for_instance") and not context.params.get("apart"))


def restore_volume(session: Session, context: StepContext) -> Send | None:
    """None: it is made from no backup. Raises NodeSilent."""
    if not context.params.get("backup_id"):
        return None
    volume = volumes.get(session, context.params["volume_id"])
    backup = volume_backups.get(session, context.params["backup_id"])
    assert volume.node_name is not None
    assert volume.node_id is not None
    if node_life.is_cut_off(session, volume.node_id):
        raise NodeSilent("The node that was restoring the volume does not answer any more.", node=volume.node_name)
    common, about = command_fields(context, volume, "restore_volume")
    command = RestoreVolume(
        disk_format=volume.disk_format, size_gib=volume.size_gib, backup_location=backup.location, **common, **about
    )
    return Send(volume.node_name, command)


def end_restore(session: Session, context: StepContext) -> None:
    """The backup's status had said that it is being restored; one of several volumes made from it at once doesn't."""
    if context.params.get("restoring"):
        volume_backups.end_restore(session, context.params["backup_id"], context.now)


def unwound(session: Session, context: StepContext, error: dict[str, Any], cancelled: bool) -> None:
    end_restore(session, context)
    action_unwound(session, context, error, cancelled)


def stuck(session: Session, context: StepContext, error: dict[str, Any]) -> None:
    """What it was to be made from is free again; the volume keeps its claim, since its file may be on the node."""
    let_go(session, context)
    end_restore(session, context)
    action_stuck(session, context, error)


def finish(session: Session, context: StepContext) -> dict[str, Any]:
    let_go(session, context)
    end_restore(session, context)
    result = end_action(session, context, launched_at=context.now)
    if context.params.get("for_instance"):
        volumes.settle(session, context.params["volume_id"], context.now)  # it is spoken for
    return result
