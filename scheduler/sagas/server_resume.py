"""Resume a suspended server: it goes on from the memory that was saved on its node."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from common.db import instances
from common.deadlines import SAVE_MEMORY_S
from common.rpc.compute_v1 import EnsureRunning, PowerState
from common.saga.model import Local, Remote, Saga, Send, StepContext
from scheduler import instance_spec
from scheduler.sagas.shared import action_stuck, action_unwound, command_fields, end_action, node_of, report_error


def saga() -> Saga:
    return Saga(
        kind="server_resume",
        steps=(
            Remote("ensure_running", do=ensure_running, failed=report_error, deadline_s=SAVE_MEMORY_S),
            Local("finish", do=finish),
        ),
        unwound=action_unwound,
        stuck=action_stuck,
    )


def ensure_running(session: Session, context: StepContext) -> Send:
    instance = instances.get(session, context.instance_id)
    node = node_of(instance)
    spec = instance_spec.build(session, instance, context.config)
    return Send(node, EnsureRunning(spec=spec, from_memory=True, **command_fields(context, instance, "ensure_running")))


def finish(session: Session, context: StepContext) -> dict[str, Any]:
    power = PowerState(context.results["ensure_running"].get("power", PowerState.UNKNOWN))
    end_action(session, context, power)
    return {}
