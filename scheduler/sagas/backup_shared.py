"""What the sagas of backups have in common: commands about their objects, and how they fail."""

from __future__ import annotations

from typing import Any, TypedDict

from sqlalchemy.orm import Session

from common.db import volume_backups, volume_messages
from common.db.models import VolumeBackup
from common.db.volume_messages import ResourceType
from common.saga.model import StepContext
from common.volume_states import BackupStatus
from scheduler.sagas.shared import CommandFields

#: generations of commands about a backup: a removal makes all that came before stale
WRITES, REMOVES = 1, 2


class BackupFields(TypedDict):
    backup_id: str
    location: str


def object_fields(
    context: StepContext, backup: VolumeBackup, step: str, generation: int = WRITES
) -> tuple[CommandFields, BackupFields]:
    assert context.command_deadline is not None
    common = CommandFields(
        id=context.command_id,
        operation_id=context.operation.id,
        step=step,
        request_id=context.operation.request_id,
        instance_id="",
        epoch=0,
        generation=generation,
        deadline=context.command_deadline,
    )
    return common, BackupFields(backup_id=backup.id, location=backup.location)


def fail(
    session: Session, context: StepContext, error: dict[str, Any], cancelled: bool, during: BackupStatus,
    to: BackupStatus,
) -> None:  # fmt: skip
    """The reason is with the backup, and in a message to its project."""
    backup_id = context.params["backup_id"]
    if not cancelled:
        volume_messages.tell(session, context.operation, ResourceType.BACKUP, backup_id, error, context.now)
    reason = str(error.get("message", ""))[:1000]
    volume_backups.set_status(session, backup_id, (during,), to, context.now, fail_reason=reason)
