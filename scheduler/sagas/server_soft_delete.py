"""Delete a server so that it can be restored for a time: it is switched off, and its project's quota is free.

Its disks, claim, ports and addresses stay until a reconciler deletes it for good (reconcilers/reclaim.py).
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from common.db import instances, quotas
from common.deadlines import ENSURE_STOPPED_S, WAIT_FOR_CANCELLED_S
from common.rpc.compute_v1 import EnsureStopped, PowerState
from common.saga.model import Local, Remote, Saga, Send, StepContext
from common.states import ACTIONS, Action, VmState
from scheduler.sagas.server_delete import wait_for_others
from scheduler.sagas.shared import action_stuck, action_unwound, command_fields, end_action, node_of, report_error


def saga() -> Saga:
    return Saga(
        kind="server_soft_delete",
        steps=(
            Local("wait_for_others", do=wait_for_others, deadline_s=WAIT_FOR_CANCELLED_S),
            Remote("ensure_stopped", do=ensure_stopped, failed=report_error, deadline_s=ENSURE_STOPPED_S),
            Local("finish", do=finish),
        ),
        unwound=action_unwound,
        stuck=action_stuck,
    )


def ensure_stopped(session: Session, context: StepContext) -> Send | None:
    """Power is cut: nobody waits for what is deleted. None: another deletion was earlier, or it is on no node."""
    instance = instances.get(session, context.instance_id, deleted=True)
    if _is_over(instance.vm_state) or instance.node_name is None:
        return None
    return Send(node_of(instance), EnsureStopped(timeout_s=0, **command_fields(context, instance, "ensure_stopped")))


def finish(session: Session, context: StepContext) -> dict[str, Any]:
    quotas.lock(session, [context.operation.project_id])
    instance = instances.get(session, context.instance_id, deleted=True)
    if _is_over(instance.vm_state):
        instances.set_task(session, instance.id, context.operation.id, None, context.now)
        return {}
    amounts = instances.quota_amounts(instance)
    end_action(session, context, PowerState.SHUTDOWN, soft_deleted_at=context.now, rescue=None)
    quotas.release(session, instance.project_id, amounts)
    return {}


def _is_over(vm_state: str) -> bool:
    """Deleted already, or ended by what it waited for in a state that it does not lead from: then it is left so."""
    return VmState(vm_state) not in ACTIONS[Action.SOFT_DELETE].allowed
