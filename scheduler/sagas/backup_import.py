"""Take over a backup of which only a record was brought: a node looks whether it is there, and whole."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from common.db import node_life, volume_backups, volume_services
from common.db.volume_services import BackupNode
from common.deadlines import BACKUP_ABSENT_S
from common.errors import CloudError, NoValidNode
from common.rpc.backup_commands import CheckBackup
from common.rpc.compute_v1 import Report
from common.saga.model import Local, Outcome, Remote, RetryFrom, Saga, Send, StepContext
from common.volume_states import BackupStatus
from scheduler.sagas.backup_shared import fail, object_fields
from scheduler.sagas.shared import NodeFailed, NodeSilent, report_error


def saga() -> Saga:
    return Saga(
        kind="backup_import",
        steps=(
            Local("choose_node", do=choose_node),
            Remote("check_backup", do=check_backup, failed=after_failure, deadline_s=BACKUP_ABSENT_S),
            Local("finish", do=finish),
        ),
        unwound=unwound,
        stuck=stuck,
    )


def choose_node(session: Session, context: StepContext) -> Outcome:
    """One that keeps backups where the record says, and was not asked yet. Raises NoValidNode."""
    backup = volume_backups.get(session, context.params["backup_id"])
    tried = context.results.get("tried", [])
    for node in _keepers(session, context, backup.service):
        if node.name not in tried:
            return {"node": node.name, "node_id": node.id}
    if tried:
        raise NodeFailed(str((context.operation.error or {}).get("message") or "No node has the backup."))
    raise NoValidNode(f"No node that answers keeps backups in {backup.service[:80]!r}.")


def _keepers(session: Session, context: StepContext, service: str) -> list[BackupNode]:
    found = volume_services.backup_nodes(session, context.now)
    return [node for node in found if node.up and node.service == service]


def check_backup(session: Session, context: StepContext) -> Send:
    """Raises NodeSilent."""
    backup = volume_backups.get(session, context.params["backup_id"])
    if node_life.is_cut_off(session, context.results["choose_node"]["node_id"]):
        raise NodeSilent("The node that was looking at the backup does not answer any more.")
    common, about = object_fields(context, backup, "check_backup")
    return Send(context.results["choose_node"]["node"], CheckBackup(size_gib=backup.size_gib, **common, **about))


def after_failure(context: StepContext, report: Report) -> RetryFrom | CloudError:
    """In a folder of another node, perhaps."""
    tried = [*context.results.get("tried", []), report.node]
    context.operation.results = {**context.operation.results, "tried": tried}
    error = report_error(context, report)
    if len(tried) < context.config.scheduler.max_attempts:
        return RetryFrom("choose_node", error)
    return error


def finish(session: Session, context: StepContext) -> dict[str, Any]:
    written = int(context.results.get("check_backup", {}).get("objects", 0))
    chosen = context.results["choose_node"]
    volume_backups.set_status(
        session, context.params["backup_id"], (BackupStatus.CREATING,), BackupStatus.AVAILABLE, context.now,
        object_count=written, whole=True, node_id=chosen["node_id"], node_name=chosen["node"],
    )  # fmt: skip
    return {}


def unwound(session: Session, context: StepContext, error: dict[str, Any], cancelled: bool) -> None:
    fail(session, context, error, cancelled, BackupStatus.CREATING, BackupStatus.ERROR)


def stuck(session: Session, context: StepContext, error: dict[str, Any]) -> None:
    unwound(session, context, error, False)
