"""Make a backup: hold the volume, have its node copy the bytes of one moment, let it go, have the node store the copy.

The volume is free again as soon as the copy is whole; a guest that has it goes on all the time. Cancelled or failed, the
backup's objects are removed; until they are, and until they are whole, nothing can be restored from it.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from common.db import node_life, volume_backups, volume_snapshots, volumes
from common.db.models import VolumeBackup
from common.deadlines import BACKUP_S, ENSURE_VOLUME_S, WAIT_FOR_VOLUME_S
from common.rpc.backup_commands import EnsureBackupAbsent, StoreBackup
from common.rpc.volume_commands import CopyVolume, DiscardVolumeCopy
from common.saga.model import Local, Outcome, Remote, Saga, Send, StepContext
from common.volume_states import BackupStatus, SnapshotStatus, VolumeAction
from scheduler import backup_places
from scheduler.sagas.backup_shared import REMOVES, fail, object_fields
from scheduler.sagas.shared import NodeSilent, report_error
from scheduler.sagas.volume_shared import Place, command_fields, hold


def saga() -> Saga:
    return Saga(
        kind="backup_create",
        steps=(
            Local("hold", do=hold, undo=free_source, deadline_s=WAIT_FOR_VOLUME_S),
            Local("choose_node", do=choose_node),
            Remote(
                "copy_volume", do=copy_volume, undo=discard_copy, failed=report_error, deadline_s=ENSURE_VOLUME_S
            ),
            Local("let_go", do=let_go),
            Remote("store_backup", do=store_backup, undo=backup_absent, failed=report_error, deadline_s=BACKUP_S),
            Local("finish", do=finish),
        ),
        unwound=unwound,
        stuck=stuck,
    )  # fmt: skip


def choose_node(session: Session, context: StepContext) -> Outcome:
    """Written down for good: only this node removes what it has half written."""
    backup = _backup(session, context)
    if backup.node_id is None:
        place = backup_places.source_of(session, backup)
        node = backup_places.writer(session, context, backup, place)
        volume_backups.change(session, backup.id, node_id=node.id, node_name=node.name, service=node.service)
        return {"node": node.name, "instance_id": place.instance_id, "device": place.device}
    return dict(context.results.get("choose_node", {"node": backup.node_name}))


def copy_volume(session: Session, context: StepContext) -> Send:
    """Raises NodeSilent."""
    backup = _backup(session, context)
    node = _node(session, backup)
    volume = volumes.get(session, backup.volume_id)
    disk_format = volume.disk_format
    if backup.snapshot_id:
        disk_format = volume_snapshots.get(session, backup.snapshot_id).disk_format
    common, about = command_fields(context, volume, "copy_volume", _place(context, backup))
    command = CopyVolume(
        disk_format=disk_format, backup_id=backup.id, snapshot_id=backup.snapshot_id or "", **common, **about
    )
    return Send(node, command)


def discard_copy(session: Session, context: StepContext) -> Send | None:
    backup = _backup(session, context)
    if _out_of_reach(session, backup):
        return None
    assert backup.node_name is not None
    volume = volumes.get(session, backup.volume_id, deleted=True)
    common, about = command_fields(context, volume, "copy_volume", _place(context, backup))
    return Send(backup.node_name, DiscardVolumeCopy(image_id=backup.id, **common, **about))


def let_go(session: Session, context: StepContext) -> Outcome:
    free_source(session, context)
    return {}


def free_source(session: Session, context: StepContext) -> None:
    """The volume's, or the snapshot's, part in it is over: once, for another backup of it may have begun since."""
    backup = _backup(session, context)
    volumes.let_go(session, backup.volume_id, context.operation.id)
    if backup.status_before is None:
        return
    if backup.snapshot_id:
        backing_up = (SnapshotStatus.BACKING_UP,)
        volume_snapshots.set_status(session, backup.snapshot_id, backing_up, SnapshotStatus.AVAILABLE, context.now)
    else:
        volumes.finish(session, backup.volume_id, VolumeAction.BACK_UP, context.operation.id, context.now)
    volume_backups.change(session, backup.id, status_before=None)


def store_backup(session: Session, context: StepContext) -> Send:
    """Raises NodeSilent."""
    backup = _backup(session, context)
    node = _node(session, backup)
    parent = volume_backups.get(session, backup.parent_id) if backup.parent_id else None
    common, about = object_fields(context, backup, "store_backup")
    return Send(node, StoreBackup(parent_location=parent.location if parent else "", **common, **about))


def backup_absent(session: Session, context: StepContext) -> Send | None:
    """None: the node is cut off; what it has written goes when the backup is deleted."""
    backup = _backup(session, context)
    if _out_of_reach(session, backup):
        return None
    assert backup.node_name is not None
    common, about = object_fields(context, backup, "store_backup", REMOVES)
    return Send(backup.node_name, EnsureBackupAbsent(**common, **about))


def finish(session: Session, context: StepContext) -> dict[str, Any]:
    written = int(context.results.get("store_backup", {}).get("objects", 0))
    creating = (BackupStatus.CREATING,)
    volume_backups.set_status(
        session, context.params["backup_id"], creating, BackupStatus.AVAILABLE, context.now, object_count=written,
        whole=True, fail_reason=None,
    )  # fmt: skip
    return {}


def unwound(session: Session, context: StepContext, error: dict[str, Any], cancelled: bool) -> None:
    free_source(session, context)
    fail(session, context, error, cancelled, BackupStatus.CREATING, BackupStatus.ERROR)


def stuck(session: Session, context: StepContext, error: dict[str, Any]) -> None:
    unwound(session, context, error, False)


def _backup(session: Session, context: StepContext) -> VolumeBackup:
    return volume_backups.get(session, context.params["backup_id"], deleted=True)


def _place(context: StepContext, backup: VolumeBackup) -> Place:
    """As it was chosen: also when the guest has let the volume go since."""
    chosen = context.results.get("choose_node", {})
    return Place(
        backup.node_name or "", backup.node_id or "", chosen.get("instance_id", ""), chosen.get("device", "")
    )  # fmt: skip


def _node(session: Session, backup: VolumeBackup) -> str:
    assert backup.node_name is not None
    if _out_of_reach(session, backup):
        raise NodeSilent("The node that was making the backup does not answer any more.", node=backup.node_name)
    return backup.node_name


def _out_of_reach(session: Session, backup: VolumeBackup) -> bool:
    return backup.node_id is None or node_life.is_cut_off(session, backup.node_id)
