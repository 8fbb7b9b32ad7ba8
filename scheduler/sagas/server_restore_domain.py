"""Bring back a server whose domain is gone from its node: defined and, if it should run, started from its spec."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from common.db import instances
from common.db.models import Instance
from common.deadlines import ENSURE_INSTANCE_S
from common.rpc.compute_v1 import EnsureInstance, PowerState, WantedPower
from common.saga.model import Local, Remote, Saga, Send, StepContext
from common.states import VmState
from scheduler import instance_spec
from scheduler.sagas.shared import action_stuck, action_unwound, command_fields, node_of, report_error


def saga() -> Saga:
    return Saga(
        kind="server_restore_domain",
        steps=(
            Remote("ensure_instance", do=ensure_instance, failed=report_error, deadline_s=ENSURE_INSTANCE_S),
            Local("finish", do=finish),
        ),
        unwound=action_unwound,
        stuck=action_stuck,
    )


def ensure_instance(session: Session, context: StepContext) -> Send:
    instance = instances.get(session, context.instance_id)
    node = node_of(instance)
    power = _wanted(instance)
    spec = instance_spec.build(session, instance, context.config)
    command = EnsureInstance(spec=spec, power=power, **command_fields(context, instance, "ensure_instance"))
    return Send(node, command)


def _wanted(instance: Instance) -> WantedPower:
    """A resized server runs if it ran before it was resized."""
    state = instance.resize["vm_state"] if instance.resize else instance.vm_state
    return WantedPower.RUNNING if state in (VmState.ACTIVE, VmState.RESCUED) else WantedPower.STOPPED


def finish(session: Session, context: StepContext) -> dict[str, Any]:
    power = PowerState(context.results["ensure_instance"].get("power", PowerState.UNKNOWN))
    instances.observe_power(session, context.instance_id, power, context.now)
    instances.set_task(session, context.instance_id, context.operation.id, None, context.now)
    return {}
