"""Stop a server: the guest is asked to power off, and power is cut when it does not."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from common.db import instances
from common.deadlines import ENSURE_STOPPED_S
from common.rpc.compute_v1 import EnsureStopped, PowerState
from common.saga.model import Local, Remote, Saga, Send, StepContext
from scheduler.sagas.shared import (
    action_stuck,
    action_unwound,
    command_fields,
    end_action,
    node_of,
    report_error,
    soft_stop_s,
)


def saga() -> Saga:
    return Saga(
        kind="server_stop",
        steps=(
            Remote("ensure_stopped", do=ensure_stopped, failed=report_error, deadline_s=ENSURE_STOPPED_S),
            Local("finish", do=finish),
        ),
        unwound=action_unwound,
        stuck=action_stuck,
    )


def ensure_stopped(session: Session, context: StepContext) -> Send:
    instance = instances.get(session, context.instance_id)
    return Send(
        node_of(instance),
        EnsureStopped(timeout_s=soft_stop_s(instance), **command_fields(context, instance, "ensure_stopped")),
    )


def finish(session: Session, context: StepContext) -> dict[str, Any]:
    end_action(session, context, PowerState.SHUTDOWN, fault=None)
    return {}
