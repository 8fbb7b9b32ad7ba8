"""Rescue and unrescue: the guest is switched off and started from another disk, or from its own again.

Which image it is rescued with was written with the request, so that a repetition boots the same.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.db import instances
from common.db.models import Instance
from common.deadlines import ENSURE_INSTANCE_S, ENSURE_STOPPED_S
from common.rpc.compute_v1 import EnsureInstance, EnsureStopped, PowerState, WantedPower
from common.saga.model import Local, Remote, Saga, Send, StepContext
from common.states import Action, VmState
from scheduler import instance_spec
from scheduler.sagas.shared import (
    action_stuck,
    action_unwound,
    command_fields,
    end_action,
    node_of,
    report_error,
    sealed_password,
    soft_stop_s,
)


def saga() -> Saga:
    return Saga(
        kind="server_rescue",
        steps=(
            Local("choose_disk", do=choose_disk, undo=choose_disk_of_before),
            Remote(
                "ensure_stopped",
                do=ensure_stopped,
                undo=run_again,
                failed=report_error,
                deadline_s=ENSURE_STOPPED_S,
            ),
            Remote("ensure_instance", do=ensure_instance, failed=report_error, deadline_s=ENSURE_INSTANCE_S),
            Local("finish", do=finish),
        ),
        unwound=action_unwound,
        stuck=action_stuck,
    )


def choose_disk(session: Session, context: StepContext) -> dict[str, Any]:
    _boot_from(session, context, context.params["rescue"] if _rescues(context) else None)
    return {}


def choose_disk_of_before(session: Session, context: StepContext) -> None:
    _boot_from(session, context, None if _rescues(context) else context.params["rescue"])


def _boot_from(session: Session, context: StepContext, rescue: dict[str, Any] | None) -> None:
    session.execute(
        sa.update(Instance)
        .where(Instance.id == context.instance_id)
        .values(rescue=rescue, generation=Instance.generation + 1)
        .execution_options(synchronize_session=False)
    )


def ensure_stopped(session: Session, context: StepContext) -> Send:
    instance = instances.get(session, context.instance_id)
    timeout_s = soft_stop_s(instance) if context.params["from_vm_state"] in (VmState.ACTIVE, VmState.RESCUED) else 0
    fields = command_fields(context, instance, "ensure_stopped")
    return Send(node_of(instance), EnsureStopped(timeout_s=timeout_s, **fields))


def run_again(session: Session, context: StepContext) -> Send:
    """From the disk of before; one that was off, or in an error, stays off."""
    with_disk_of_before = instances.get(session, context.instance_id)
    if not context.generation:
        choose_disk_of_before(session, context)
        with_disk_of_before = instances.get(session, context.instance_id)
    ran = context.params["from_vm_state"] in (VmState.ACTIVE, VmState.RESCUED)
    return _ensure(session, context, with_disk_of_before, "ensure_stopped", running=ran)


def ensure_instance(session: Session, context: StepContext) -> Send:
    instance = instances.get(session, context.instance_id)
    password = sealed_password(session, context, instance)
    return _ensure(session, context, instance, "ensure_instance", running=True, password=password)


def _ensure(
    session: Session, context: StepContext, instance: Instance, step: str, *, running: bool, password: str = ""
) -> Send:
    command = EnsureInstance(
        spec=instance_spec.build(session, instance, context.config),
        power=WantedPower.RUNNING if running else WantedPower.STOPPED,
        sealed_password=password,
        **command_fields(context, instance, step),
    )
    return Send(node_of(instance), command)


def finish(session: Session, context: StepContext) -> dict[str, Any]:
    power = PowerState(context.results["ensure_instance"].get("power", PowerState.UNKNOWN))
    end_action(session, context, power, fault=None)
    return {}


def _rescues(context: StepContext) -> bool:
    return bool(context.params["action"] == Action.RESCUE)
