"""Remove a file that a volume is not, or not any more: what it was before it moved, or half a copy on a silent node.

It waits for as long as the node is away, powered off or not: the file is on its disk. Until then its room is claimed, and
the volume does not come to this node.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from common.db import node_life, nodes, volume_exports, volume_moves, volumes
from common.deadlines import AWAIT_NODE_S, RESEND_MAX_S, VOLUME_ABSENT_S
from common.rpc.volume_commands import DiscardVolumeFile
from common.saga.model import Local, Outcome, Remote, RetryFrom, Saga, Send, StepContext, Wait
from scheduler.sagas import silent_node
from scheduler.sagas.volume_shared import command_fields


def saga() -> Saga:
    return Saga(
        kind=volume_moves.SAGA,
        steps=(
            Local(silent_node.AWAIT, do=await_node, deadline_s=AWAIT_NODE_S),
            Remote("discard_file", do=discard, failed=silent_node.try_again, deadline_s=VOLUME_ABSENT_S),
            Local("forget", do=forget),
        ),
        unwound=keep,
        stuck=lambda _session, _context, _error: None,
    )


def await_node(session: Session, context: StepContext) -> Outcome:
    if node_life.is_powered_off(session, context.operation.resource_id):
        return Wait(RESEND_MAX_S)
    return silent_node.await_node(session, context)


def discard(session: Session, context: StepContext) -> Send | RetryFrom | None:
    """The volume doesn't come here while this goes on; a command that is late then has an older generation."""
    if (again := silent_node.silent_again(session, context)) is not None:
        return again
    params = context.params
    volume = volumes.get(session, params["volume_id"], deleted=True)
    common, about = command_fields(context, volume, "discard_file")
    about["backend"] = params.get("backend", "")
    command = DiscardVolumeFile(
        disk_format=params["disk_format"],
        export_id=params["export_id"],
        taken_over=params["taken_over"],
        **common,
        **about,
    )
    return Send(params["node"], command)


def forget(session: Session, context: StepContext) -> dict[str, Any]:
    nodes.release_all(session, context.operation.id)
    if context.params["export_id"]:
        volume_exports.forget(session, context.params["export_id"])
    return {}


def keep(_session: Session, _context: StepContext, _error: dict[str, Any], _cancelled: bool) -> None:
    """Room and port stay taken: the file may be there still."""
