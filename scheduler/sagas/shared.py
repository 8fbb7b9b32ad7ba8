"""What the instance sagas have in common: the fields of a command, and how an action on an instance ends."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any, TypedDict

from sqlalchemy.orm import Session

from common import admin_password, log
from common.context import RequestContext
from common.db import device_operations, instances, node_life, nodes, remains, resizes
from common.db.models import Instance
from common.db.resizes import OldPlace
from common.deadlines import SOFT_STOP_S
from common.errors import CloudError, HypervisorError, InvalidRequest, StateConflict
from common.hardware import reading
from common.rpc.compute_v1 import EnsureAbsent, PowerState, Report
from common.rpc.disks_v1 import DiscardKeptDisks
from common.saga.model import Send, StepContext
from common.states import ACTIONS, Action, Rule, VmState

logger = logging.getLogger(__name__)


class CommandFields(TypedDict):
    id: str
    operation_id: str
    step: str
    request_id: str
    instance_id: str
    epoch: int
    generation: int
    deadline: datetime


class NodeFailed(CloudError):
    """An agent reported a failure; code, message and detail are the agent's."""

    code = "node_failed"


class NodeSilent(CloudError):
    """A node does not answer any more."""

    code = "node_silent"


def hand_over(
    session: Session, context: StepContext, instance: Instance, *, with_ports: bool, place: OldPlace | None = None
) -> None:
    """Leave what may be on the instance's silent node to an operation of its own, which waits for the node.

    place: where the instance was before it was resized, if it is about that.
    """
    asked_by = RequestContext(
        request_id=context.operation.request_id, user_id=context.operation.user_id,
        global_request_id=context.operation.global_request_id,
    )  # fmt: skip
    operation_id = remains.hand_over(session, instance, asked_by, context.now, with_ports=with_ports, place=place)
    node = place.node_name if place else instance.node_name
    log.event(logger, "instance.left_behind", logging.WARNING, node=node, cleared_by=operation_id)


def clear_old_place(session: Session, context: StepContext, step: str) -> Send | None:
    """Have what a resized server was removed: its disks on another node, or those kept beside its own."""
    instance = instances.get(session, context.instance_id, deleted=True)
    place = resizes.old_place(instance)
    if place is not None and node_life.is_down(session, place.node_id, context.now):
        hand_over(session, context, instance, with_ports=False, place=place)
        return None
    fields = command_fields(context, instance, step)
    if place is not None:
        fields["epoch"] = place.epoch
        return Send(place.node_name, EnsureAbsent(**fields))
    if resizes.in_place(instance) and instance.node_name is not None:
        return Send(instance.node_name, DiscardKeptDisks(**fields))
    return None


def asked_by(context: StepContext) -> RequestContext:
    """Who asked for the operation, for another one that follows from it."""
    operation = context.operation
    return RequestContext(
        request_id=operation.request_id, user_id=operation.user_id, project_id=operation.project_id,
        global_request_id=operation.global_request_id,
    )  # fmt: skip


def command_fields(context: StepContext, instance: Instance, step: str) -> CommandFields:
    """A repeated command keeps the generation it was first sent with, so that repeating changes nothing."""
    assert context.command_deadline is not None
    return CommandFields(
        id=context.command_id,
        operation_id=context.operation.id,
        step=step,
        request_id=context.operation.request_id,
        instance_id=instance.id,
        epoch=instance.epoch,
        generation=context.generation or instance.generation,
        deadline=context.command_deadline,
    )


def sealed_password(session: Session, context: StepContext, instance: Instance) -> str:
    """The administrator's, as the operation has it, for the instance's node alone; "": it has none. Raises ConfigError."""
    if admin_password.PARAM not in context.params:
        return ""
    node = nodes.get(session, instance.node_id) if instance.node_id else None
    return admin_password.for_node(context.params, context.config, node.secret_hash if node else "")


class DeviceFields(CommandFields):
    device_id: str


def device_fields(session: Session, context: StepContext, instance: Instance, step: str) -> DeviceFields:
    """As `command_fields`, for a command about the operation's device; a new one gets a generation of its own."""
    fields = command_fields(context, instance, step)
    if not context.generation:
        fields["generation"] = device_operations.raise_generation(session, instance.id, context.now)
    return DeviceFields(**fields, device_id=context.params["device_id"])


def device_unwound(_session: Session, context: StepContext, error: dict[str, Any], _cancelled: bool) -> None:
    """The device is where it was, and the server is what it was: the reason is with the operation."""
    log.event(
        logger, "device.operation_failed", logging.WARNING, device_id=context.params["device_id"],
        code=str(error.get("code", "")), reason=str(error.get("message", "")),
    )  # fmt: skip


def device_stuck(_session: Session, context: StepContext, error: dict[str, Any]) -> None:
    """The node did not say that the device is back where it was; the server itself is as it was."""
    log.event(
        logger, "device.operation_stuck", logging.ERROR, device_id=context.params["device_id"],
        code=str(error.get("code", "")),
    )  # fmt: skip


def soft_stop_s(instance: Instance) -> int:
    """How many seconds its guest gets to power itself off: as its image says. Stopping never fails for its hardware."""
    try:
        return reading.read(instance.flavor, instance.image).stop_s
    except InvalidRequest:
        return SOFT_STOP_S


def node_of(instance: Instance) -> str:
    """The node an instance is on. Raises StateConflict for one that was never placed (its creation failed)."""
    if instance.node_name is None:
        raise StateConflict(f"Instance {instance.id} is on no node: its creation failed; delete it and create it anew.")
    return instance.node_name


def report_error(_context: StepContext, report: Report) -> CloudError:
    """An agent's failure as the operation's error: no other node could do better."""
    return NodeFailed(
        report.message or HypervisorError.code, detail=report.detail, node=report.node, reported=report.code
    )


def _may_be_in(rule: Rule, to: VmState) -> tuple[VmState, ...]:
    """The states an action may end from: where it leads to itself, only the same state may it be in still."""
    return tuple(rule.allowed) if rule.leads_to else (to,)


def end_action(
    session: Session, context: StepContext, power: PowerState | None, *, to: VmState | None = None, **changes: Any
) -> None:
    """The action succeeded: vm_state as the table says (or `to`), power as the node reported, the instance is free again.

    power None: no node was asked.
    """
    if power is not None:
        changes |= {"power_state": instances.power_code(power), "power_state_at": context.now}
    rule = ACTIONS[Action(context.params["action"])]
    to = to or rule.leads_to or VmState(context.params["from_vm_state"])
    instances.finish(
        session,
        context.instance_id,
        to,
        expect=_may_be_in(rule, to),
        operation_id=context.operation.id,
        now=context.now,
        reason=rule.shown_as,
        **changes,
    )


def action_unwound(session: Session, context: StepContext, error: dict[str, Any], cancelled: bool) -> None:
    """The action failed: vm_state goes where the table says (or stays), the reason is kept, the instance is free."""
    if cancelled:
        return  # the pre-empting operation holds the instance now
    rule = ACTIONS[Action(context.params["action"])]
    if rule.on_failure is not None:
        instances.set_fault(session, context.instance_id, error, context.now)
        instances.transition(
            session,
            context.instance_id,
            rule.on_failure,
            expect=tuple(rule.allowed - {VmState.SOFT_DELETED}),  # which counts in no quota, and is to go anyway
            operation_id=context.operation.id,
            now=context.now,
            reason=str(error.get("code", "failed")),
        )
    instances.set_task(session, context.instance_id, context.operation.id, None, context.now)


def action_stuck(session: Session, context: StepContext, error: dict[str, Any]) -> None:
    """Undo gave up: the server goes to ERROR, because nobody knows what is left on the node."""
    instances.set_fault(session, context.instance_id, error, context.now)
    living = tuple(state for state in VmState if state not in (VmState.DELETED, VmState.SOFT_DELETED))
    instances.transition(
        session,
        context.instance_id,
        VmState.ERROR,
        expect=living,
        operation_id=context.operation.id,
        now=context.now,
        reason="stuck",
    )
    instances.set_task(session, context.instance_id, context.operation.id, None, context.now)
