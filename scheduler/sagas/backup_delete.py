"""Delete a backup: wait for what makes it to stop, have a node remove its objects, give the quota back."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from common.db import node_life, operations, volume_backups
from common.deadlines import BACKUP_ABSENT_S, WAIT_FOR_CANCELLED_S
from common.rpc.backup_commands import EnsureBackupAbsent
from common.saga.model import Local, Outcome, Remote, RetryFrom, Saga, Send, StepContext, Wait
from common.volume_states import BackupStatus
from scheduler import backup_places
from scheduler.sagas.backup_shared import REMOVES, fail, object_fields
from scheduler.sagas.shared import NodeSilent, report_error
from scheduler.sagas.volume_shared import POLL_S


def saga() -> Saga:
    return Saga(
        kind="backup_delete",
        steps=(
            Local("wait_for_others", do=wait_for_others, deadline_s=WAIT_FOR_CANCELLED_S),
            Local("choose_node", do=choose_node),
            Remote("backup_absent", do=backup_absent, failed=report_error, deadline_s=BACKUP_ABSENT_S),
            Local("finish", do=finish),
        ),
        unwound=unwound,
        stuck=stuck,
    )


def wait_for_others(session: Session, context: StepContext) -> Outcome:
    """A forced deletion has asked what was going on to stop."""
    others = operations.open_for(session, context.params["backup_id"], except_id=context.operation.id)
    mine = (context.operation.created_at, context.operation.id)
    return Wait(POLL_S) if any((each.created_at, each.id) < mine for each in others) else {}


def choose_node(session: Session, context: StepContext) -> Outcome:
    """None: no node has begun to write it, or another record of the same objects is left. Raises NodeSilent."""
    backup = volume_backups.get(session, context.params["backup_id"], deleted=True)
    if backup.deleted or volume_backups.shares_objects(session, backup) or not (backup.whole or backup.node_id):
        return {"node": None, "node_id": None}
    node = backup_places.remover(session, context, backup)
    return {"node": node.name, "node_id": node.id}


def backup_absent(session: Session, context: StepContext) -> Send | RetryFrom | None:
    """Once more from the choice when the chosen node falls silent: removing twice does no harm."""
    backup = volume_backups.get(session, context.params["backup_id"], deleted=True)
    chosen = context.results["choose_node"]
    if chosen["node"] is None:
        return None
    if node_life.is_cut_off(session, chosen["node_id"]):
        return RetryFrom("choose_node", NodeSilent("The node that was removing the backup does not answer any more."))
    common, about = object_fields(context, backup, "backup_absent", REMOVES)
    return Send(chosen["node"], EnsureBackupAbsent(**common, **about))


def finish(session: Session, context: StepContext) -> dict[str, Any]:
    backup = volume_backups.get(session, context.params["backup_id"], deleted=True)
    volume_backups.mark_deleted(session, backup, context.now)
    return {}


def unwound(session: Session, context: StepContext, error: dict[str, Any], cancelled: bool) -> None:
    fail(session, context, error, cancelled, BackupStatus.DELETING, BackupStatus.ERROR_DELETING)


def stuck(session: Session, context: StepContext, error: dict[str, Any]) -> None:
    unwound(session, context, error, False)
