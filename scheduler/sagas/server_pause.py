"""Pause a server, its memory kept by the guest's process, or let a paused one go on."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from common.db import instances
from common.deadlines import PAUSE_S
from common.rpc.compute_v1 import EnsurePaused, PowerState
from common.saga.model import Local, Remote, Saga, Send, StepContext
from common.states import Action
from scheduler.sagas.shared import action_stuck, action_unwound, command_fields, end_action, node_of, report_error


def saga() -> Saga:
    return Saga(
        kind="server_pause",
        steps=(
            Remote("ensure_paused", do=ensure_paused, failed=report_error, deadline_s=PAUSE_S),
            Local("finish", do=finish),
        ),
        unwound=action_unwound,
        stuck=action_stuck,
    )


def ensure_paused(session: Session, context: StepContext) -> Send:
    instance = instances.get(session, context.instance_id)
    paused = context.params["action"] == Action.PAUSE
    command = EnsurePaused(paused=paused, **command_fields(context, instance, "ensure_paused"))
    return Send(node_of(instance), command)


def finish(session: Session, context: StepContext) -> dict[str, Any]:
    power = PowerState(context.results["ensure_paused"].get("power", PowerState.UNKNOWN))
    end_action(session, context, power)
    return {}
