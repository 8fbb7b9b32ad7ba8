"""Restore a backup into a volume that is there, which keeps its bytes until all of the backup's have come and are right.

Into a new volume: that is `volume_create`, made from a backup.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from common.db import node_life, volume_backups, volumes
from common.deadlines import BACKUP_S, WAIT_FOR_VOLUME_S
from common.errors import StateConflict
from common.rpc.volume_commands import RestoreVolume
from common.saga.model import Local, Outcome, Remote, Saga, Send, StepContext
from scheduler import backup_places, volume_places
from scheduler.sagas.shared import NodeSilent, report_error
from scheduler.sagas.volume_shared import action_stuck, action_unwound, command_fields, end_action, hold, let_go


def saga() -> Saga:
    return Saga(
        kind="backup_restore",
        steps=(
            Local("hold", do=hold, undo=let_go, deadline_s=WAIT_FOR_VOLUME_S),
            Local("choose_node", do=choose_node),
            Remote("restore_volume", do=restore_volume, failed=report_error, deadline_s=BACKUP_S),
            Local("finish", do=finish),
        ),
        unwound=unwound,
        stuck=stuck,
    )


def choose_node(session: Session, context: StepContext) -> Outcome:
    """One that sees both the volume's file and the backup. Raises StateConflict, NoValidNode."""
    volume = volumes.get(session, context.params["volume_id"])
    backup = volume_backups.get(session, context.params["backup_id"])
    if volume.node_id is None:
        raise StateConflict(f"Volume {volume.id} is on no node: its creation failed.")
    seeing = volume_places.bound_to(session, volume, volume.node_id)
    node = backup_places.reader(session, context, backup, None if seeing is None else set(seeing))
    return {"node": node.name, "node_id": node.id}


def restore_volume(session: Session, context: StepContext) -> Send:
    """Raises NodeSilent."""
    volume = volumes.get(session, context.params["volume_id"])
    backup = volume_backups.get(session, context.params["backup_id"])
    chosen = context.results["choose_node"]
    if node_life.is_cut_off(session, chosen["node_id"]):
        raise NodeSilent("The node that was restoring the volume does not answer any more.", node=chosen["node"])
    common, about = command_fields(context, volume, "restore_volume")
    command = RestoreVolume(
        disk_format=volume.disk_format, size_gib=volume.size_gib, backup_location=backup.location, **common, **about
    )
    return Send(chosen["node"], command)


def finish(session: Session, context: StepContext) -> dict[str, Any]:
    """The volume is what the backed-up one was, beyond its bytes: what it boots from, if it does."""
    backup = volume_backups.get(session, context.params["backup_id"], deleted=True)
    volume_backups.end_restore(session, backup.id, context.now)
    kept = {key: value for key, value in backup.volume_properties.items() if key in ("bootable", "image_properties")}
    return end_action(session, context, **kept)


def unwound(session: Session, context: StepContext, error: dict[str, Any], cancelled: bool) -> None:
    volume_backups.end_restore(session, context.params["backup_id"], context.now)
    action_unwound(session, context, error, cancelled)


def stuck(session: Session, context: StepContext, error: dict[str, Any]) -> None:
    volume_backups.end_restore(session, context.params["backup_id"], context.now)
    action_stuck(session, context, error)
