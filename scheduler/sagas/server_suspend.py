"""Suspend a server: its memory goes to the node's disk, and its process ends."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from common.db import instances
from common.deadlines import SAVE_MEMORY_S
from common.rpc.compute_v1 import EnsureSaved, PowerState
from common.saga.model import Local, Remote, Saga, Send, StepContext
from scheduler.sagas.shared import action_stuck, action_unwound, command_fields, end_action, node_of, report_error


def saga() -> Saga:
    return Saga(
        kind="server_suspend",
        steps=(
            Remote("ensure_saved", do=ensure_saved, failed=report_error, deadline_s=SAVE_MEMORY_S),
            Local("finish", do=finish),
        ),
        unwound=action_unwound,
        stuck=action_stuck,
    )


def ensure_saved(session: Session, context: StepContext) -> Send:
    instance = instances.get(session, context.instance_id)
    return Send(node_of(instance), EnsureSaved(**command_fields(context, instance, "ensure_saved")))


def finish(session: Session, context: StepContext) -> dict[str, Any]:
    power = PowerState(context.results["ensure_saved"].get("power", PowerState.UNKNOWN))
    end_action(session, context, power)
    return {}
