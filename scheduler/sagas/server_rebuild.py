"""Rebuild a server: new disks from an image, the same ports, on the node where it is; stopped again if it was stopped.

Image, keys and user data were written with the request, so that a repetition builds the same.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from common.db import instances
from common.deadlines import REBUILD_S
from common.rpc.compute_v1 import PowerState, RebuildInstance, WantedPower
from common.saga.model import Local, Remote, Saga, Send, StepContext
from common.states import VmState
from scheduler import instance_spec
from scheduler.sagas.shared import action_stuck, action_unwound, command_fields, end_action, node_of, report_error


def saga() -> Saga:
    return Saga(
        kind="server_rebuild",
        steps=(
            Remote("rebuild_instance", do=rebuild_instance, failed=report_error, deadline_s=REBUILD_S),
            Local("finish", do=finish),
        ),
        unwound=action_unwound,
        stuck=action_stuck,
    )


def rebuild_instance(session: Session, context: StepContext) -> Send:
    instance = instances.get(session, context.instance_id)
    node = node_of(instance)
    command = RebuildInstance(
        spec=instance_spec.build(session, instance, context.config),
        power=WantedPower.STOPPED if _was_stopped(context) else WantedPower.RUNNING,
        keep_ephemeral=bool(context.params.get("keep_ephemeral")),
        **command_fields(context, instance, "rebuild_instance"),
    )
    return Send(node, command)


def finish(session: Session, context: StepContext) -> dict[str, Any]:
    power = PowerState(context.results["rebuild_instance"].get("power", PowerState.UNKNOWN))
    to = VmState.STOPPED if _was_stopped(context) else VmState.ACTIVE
    end_action(session, context, power, to=to, fault=None, launched_at=context.now, progress=100)
    return {}


def _was_stopped(context: StepContext) -> bool:
    return bool(context.params["from_vm_state"] == VmState.STOPPED)
