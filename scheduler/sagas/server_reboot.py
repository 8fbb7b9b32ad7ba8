"""Reboot a server, soft (ask, then cut) or hard (power-cycle on a fresh definition)."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from common.db import instances, operations
from common.deadlines import REBOOT_S, WAIT_FOR_CANCELLED_S
from common.rpc.compute_v1 import PowerState, RebootInstance, RebootMode
from common.saga.model import Local, Outcome, Remote, Saga, Send, StepContext, Wait
from common.states import Action
from scheduler import instance_spec
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
        kind="server_reboot",
        steps=(
            Local("take_over", do=take_over, deadline_s=WAIT_FOR_CANCELLED_S),
            Remote("reboot", do=reboot, failed=report_error, deadline_s=REBOOT_S),
            Local("finish", do=finish),
        ),
        unwound=action_unwound,
        stuck=action_stuck,
    )


def take_over(session: Session, context: StepContext) -> Outcome:
    """A hard reboot ends a soft one that still goes on; its late report no longer finds the instance held by it.

    A soft one takes nothing over: what is open beside it came later, and is about to end it.
    """
    if context.params["action"] != Action.REBOOT_HARD:
        return {}
    others = operations.open_for(session, context.instance_id, except_id=context.operation.id)
    if not others:
        return {}
    operations.request_cancel(session, context.instance_id, context.operation.id, context.now)
    return Wait(0.5)


def reboot(session: Session, context: StepContext) -> Send:
    instance = instances.get(session, context.instance_id)
    node = node_of(instance)
    mode = RebootMode.HARD if context.params["action"] == Action.REBOOT_HARD else RebootMode.SOFT
    spec = instance_spec.build(session, instance, context.config)
    command = RebootInstance(
        spec=spec, mode=mode, timeout_s=soft_stop_s(instance), **command_fields(context, instance, "reboot")
    )
    return Send(node, command)


def finish(session: Session, context: StepContext) -> dict[str, Any]:
    end_action(session, context, PowerState(context.results["reboot"].get("power", PowerState.UNKNOWN)), fault=None)
    return {}
