"""Operations of the device class: a port, volume or the like comes to an instance or leaves it.

One at a time for each device, many side by side for an instance. How to make one:

* an `Action` in common/states.py with operation_class DEVICE and task None;
* `begin` in the transaction that takes the device (binds the port, reserves the volume); it raises the 409s;
* a saga whose first step is a `Local` that undoes that taking, then a `Remote` with a command derived from
  compute_v1's `_DeviceCommand` and `scheduler.sagas.shared.device_fields`, then a `Local` that writes what is now so;
  `device_unwound` and `device_stuck` end it;
* in the agent a verb in compute_agent/devices.py; the commands of one instance are done one after the other.

None begins during an exclusive operation (409). An exclusive one that comes meanwhile is accepted, shows its task_state,
and waits until the device operations before it have ended, which their deadlines see to. A delete cancels them.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from common import log
from common.context import RequestContext
from common.db import instances, operations
from common.db.models import Instance, Operation
from common.db.operations import NewOperation
from common.db.upsert import insert_ignore
from common.errors import StateConflict
from common.states import ACTIONS, Action, OperationClass, VmState

logger = logging.getLogger(__name__)


def begin(
    session: Session,
    instance: Instance,
    action: Action,
    device_id: str,
    context: RequestContext,
    now: datetime,
    params: dict[str, Any] | None = None,
) -> str:
    """The id of the operation that was begun. The instance's row is held until the transaction ends.

    Raises StateConflict when the state table forbids it, or while an exclusive operation, or another one on the same
    device, is running.
    """
    rule = ACTIONS[action]
    assert rule.operation_class == OperationClass.DEVICE
    if VmState(instance.vm_state) not in rule.allowed:
        raise StateConflict(
            f"Cannot '{rule.shown_as}' instance {instance.id} while it is in vm_state {instance.vm_state}",
            vm_state=instance.vm_state,
        )
    free = session.execute(
        sa.update(Instance)
        .where(
            Instance.id == instance.id,
            Instance.deleted.is_(False),
            Instance.vm_state == instance.vm_state,
            Instance.task_state.is_(None),
        )
        .values(updated_at=now)
        .returning(Instance.id)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    if free is None:
        fresh = instances.get(session, instance.id)
        raise StateConflict(
            f"Cannot '{rule.shown_as}' instance {instance.id} while it is in task_state {fresh.task_state}",
            task_state=fresh.task_state or "",
        )
    new = NewOperation(
        kind=rule.saga, action=rule.shown_as, operation_class=rule.operation_class, resource_type="instance",
        resource_id=instance.id, project_id=instance.project_id,
        params={**(params or {}), "action": action.value, "from_vm_state": instance.vm_state, "device_id": device_id},
    )  # fmt: skip
    row = {**operations.values(new, context, now), "device_id": device_id}
    if not insert_ignore(session, Operation, [row]):
        raise StateConflict(
            f"Cannot '{rule.shown_as}' {device_id} of instance {instance.id}: it is being attached or detached; "
            "try again when that has ended",
            device_id=device_id,
        )
    log.event(
        logger, "instance.action_begun", instance_id=instance.id, action=action.value, operation_id=row["id"],
        device_id=device_id,
    )  # fmt: skip
    return str(row["id"])


def raise_generation(session: Session, instance_id: str, now: datetime) -> int:
    """What the instance should be changes by a device: the generation of the command that says so."""
    return session.execute(
        sa.update(Instance)
        .where(Instance.id == instance_id)
        .values(generation=Instance.generation + 1, updated_at=now)
        .returning(Instance.generation)
        .execution_options(synchronize_session=False)
    ).scalar_one()
