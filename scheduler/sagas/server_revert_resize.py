"""Revert a resize: what it led to goes, and the server is again what it was, where it was, with the disks of then."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from common.db import instances, network_state, ports, resizes, server_migrations
from common.db.server_migrations import MigrationStatus
from common.deadlines import ENSURE_ABSENT_S, ENSURE_INSTANCE_S, EXPORT_S
from common.rpc.compute_v1 import EnsureAbsent, EnsureInstance, PowerState, WantedPower
from common.rpc.disks_v1 import RestoreKeptDisks
from common.saga.model import Local, Remote, Saga, Send, StepContext
from common.states import VmState
from scheduler import instance_spec
from scheduler.sagas import server_volumes
from scheduler.sagas.shared import action_stuck, action_unwound, command_fields, end_action, node_of, report_error


def saga() -> Saga:
    return Saga(
        kind="server_revert_resize",
        steps=(
            Remote("take_back", do=take_back, failed=report_error, deadline_s=ENSURE_ABSENT_S),
            Local("move_back", do=move_back),
            Remote(
                server_volumes.EXPORT_VOLUMES, do=export_volumes, failed=report_error, deadline_s=EXPORT_S, repeats=True
            ),
            Remote("ensure_instance", do=ensure_instance, failed=report_error, deadline_s=ENSURE_INSTANCE_S),
            Local("finish", do=finish),
        ),
        unwound=action_unwound,
        stuck=action_stuck,
    )


def take_back(session: Session, context: StepContext) -> Send:
    """On its own node the kept disks take the place of the new ones; on another nothing of it stays."""
    instance = instances.get(session, context.instance_id)
    fields = command_fields(context, instance, "take_back")
    command = EnsureAbsent if resizes.old_place(instance) else RestoreKeptDisks
    return Send(node_of(instance), command(**fields))


def move_back(session: Session, context: StepContext) -> dict[str, Any]:
    """Where it is from now on, and in which power, is kept with the operation: Instance.resize is gone then."""
    if "move_back" in context.results:
        return dict(context.results["move_back"])
    instance = instances.get(session, context.instance_id)
    before = instance.resize or {}
    result = {"ran": before.get("vm_state") != VmState.STOPPED, "elsewhere": resizes.old_place(instance) is not None}
    resizes.move_back(session, instance, context.now, give_up=True)
    server_volumes.move_exports(session, context, node_of(instances.get(session, instance.id)))
    server_migrations.end(session, instance.id, MigrationStatus.REVERTED, context.now)
    return result


def export_volumes(session: Session, context: StepContext) -> Send | None:
    return server_volumes.export(session, context) if context.results["move_back"]["elsewhere"] else None


def ensure_instance(session: Session, context: StepContext) -> Send:
    instance = instances.get(session, context.instance_id)
    power = WantedPower.RUNNING if context.results["move_back"]["ran"] else WantedPower.STOPPED
    spec = instance_spec.build(session, instance, context.config)
    command = EnsureInstance(spec=spec, power=power, **command_fields(context, instance, "ensure_instance"))
    return Send(node_of(instance), command)


def finish(session: Session, context: StepContext) -> dict[str, Any]:
    power = PowerState(context.results["ensure_instance"].get("power", PowerState.UNKNOWN))
    to = VmState.ACTIVE if context.results["move_back"]["ran"] else VmState.STOPPED
    end_action(session, context, power, to=to, fault=None, launched_at=context.now)
    instance = instances.get(session, context.instance_id)
    ports.mark_active(session, instance.id, instance.epoch, context.now)
    server_volumes.moved(session, instance, context.now)
    if context.results["move_back"]["elsewhere"]:
        network_state.touch_for_networks(session, {row.network_id for row in ports.for_instance(session, instance.id)})
    return {}
