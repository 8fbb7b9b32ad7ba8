"""Which node works on a backup: who has the volume's bytes writes it; who sees the store reads and removes it."""

from __future__ import annotations

from sqlalchemy.orm import Session

from common.db import volume_backups, volume_services, volume_snapshots, volumes
from common.db.models import VolumeBackup
from common.db.volume_services import BackupNode
from common.errors import NoValidNode, StateConflict
from common.saga.model import StepContext
from scheduler.sagas.shared import NodeSilent
from scheduler.sagas.volume_shared import Place, place_of


def source_of(session: Session, backup: VolumeBackup) -> Place:
    """Where the bytes are that it is to be made of. Raises StateConflict."""
    if backup.snapshot_id:
        snapshot = volume_snapshots.get(session, backup.snapshot_id)
        if snapshot.node_name is None or snapshot.node_id is None:
            raise StateConflict(f"Snapshot {snapshot.id} is on no node: its creation failed.")
        return Place(snapshot.node_name, snapshot.node_id)
    place = place_of(session, volumes.get(session, backup.volume_id))
    if place is None:
        raise StateConflict(f"Volume {backup.volume_id} is on no node: its creation failed.")
    return place


def writer(session: Session, context: StepContext, backup: VolumeBackup, place: Place) -> BackupNode:
    """The node that has the bytes, if it may write this backup. Raises NoValidNode."""
    for node in volume_services.backup_nodes(session, context.now):
        if node.id != place.node_id:
            continue
        if node.closed:
            raise NoValidNode(f"The node that has the volume makes no backups now: {node.closed}.", node=node.name)
        if backup.parent_id and node.id not in {each.id for each in _seeing(session, context, backup.parent_id)}:
            raise NoValidNode(
                f"Backup {backup.parent_id}, which this one is to be based on, is kept where the node that has the"
                " volume does not see it; make a full one.", node=node.name,
            )  # fmt: skip
        return node
    raise NoValidNode("The node that has the volume keeps no backups.", node=place.node)


def _seeing(session: Session, context: StepContext, backup_id: str) -> list[BackupNode]:
    return seeing(session, context, volume_backups.get(session, backup_id))


def seeing(session: Session, context: StepContext, backup: VolumeBackup) -> list[BackupNode]:
    """The nodes that can read it: the one that wrote it first, then all that share its store."""
    keepers = volume_services.backup_nodes(session, context.now)
    home = [node for node in keepers if node.id == backup.node_id and node.service == backup.service]
    if backup.node_id is not None and not any(node.shared for node in home):
        return home
    others = [node for node in keepers if node.service == backup.service and node.shared and node not in home]
    return [*home, *others]


def remover(session: Session, context: StepContext, backup: VolumeBackup) -> BackupNode:
    """The node that removes its objects: a half-written one's only its writer, which may still write.

    Raises NodeSilent.
    """
    for node in seeing(session, context, backup):
        if node.up and (backup.whole or node.id == backup.node_id):
            return node
    raise NodeSilent(
        "The node that keeps the backup does not answer; delete the backup again when it does.", node=backup.node_name
    )


def reader(session: Session, context: StepContext, backup: VolumeBackup, nodes: set[str] | None = None) -> BackupNode:
    """A node that can read it now; of these ids, if they are named. Raises NoValidNode."""
    for node in seeing(session, context, backup):
        if node.up and (nodes is None or node.id in nodes):
            return node
    raise NoValidNode(
        f"No node that answers sees both backup {backup.id} and the volume's place; restore it into a new volume, or"
        " wait for the node that keeps it.", node=backup.node_name,
    )  # fmt: skip
