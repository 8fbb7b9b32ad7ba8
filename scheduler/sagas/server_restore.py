"""Restore a server that was deleted a while ago: it was stopped with the request (soft_deletion), and is started."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from common.db import instances
from common.deadlines import ENSURE_INSTANCE_S
from common.rpc.compute_v1 import EnsureInstance, PowerState, WantedPower
from common.saga.model import Local, Remote, Saga, Send, StepContext
from common.states import VmState
from scheduler import instance_spec
from scheduler.sagas.shared import action_stuck, command_fields, node_of, report_error


def saga() -> Saga:
    return Saga(
        kind="server_restore",
        steps=(
            Remote("ensure_instance", do=ensure_instance, failed=report_error, deadline_s=ENSURE_INSTANCE_S),
            Local("finish", do=finish),
        ),
        unwound=unwound,
        stuck=action_stuck,
    )


def ensure_instance(session: Session, context: StepContext) -> Send:
    instance = instances.get(session, context.instance_id)
    spec = instance_spec.build(session, instance, context.config)
    fields = command_fields(context, instance, "ensure_instance")
    return Send(node_of(instance), EnsureInstance(spec=spec, power=WantedPower.RUNNING, **fields))


def finish(session: Session, context: StepContext) -> dict[str, Any]:
    power = PowerState(context.results["ensure_instance"].get("power", PowerState.UNKNOWN))
    instances.finish(
        session,
        context.instance_id,
        VmState.ACTIVE,
        expect=(VmState.STOPPED, VmState.ACTIVE),
        operation_id=context.operation.id,
        now=context.now,
        reason="restored",
        power_state=instances.power_code(power),
        power_state_at=context.now,
    )
    return {}


def unwound(session: Session, context: StepContext, error: dict[str, Any], cancelled: bool) -> None:
    """It is its user's again, and off."""
    if cancelled:
        return
    instances.set_fault(session, context.instance_id, error, context.now)
    instances.set_task(session, context.instance_id, context.operation.id, None, context.now)
