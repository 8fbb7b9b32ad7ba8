"""Instances: the only writer of vm_state and task_state, and the queries about servers.

`begin` starts an action (compare-and-set of task_state, operation row, event), `transition` moves state, `finish` ends
the action. Each writes its event row in the same transaction and logs one line; what vm_state became is also published,
after the commit (common/rpc/events_v1.py).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value

from common import log
from common.context import RequestContext
from common.db import operations, quotas
from common.db.models import Instance, Operation
from common.db.session import tell
from common.errors import CloudError, NotFound, StateConflict
from common.rpc.compute_v1 import PowerState
from common.rpc.events_v1 import InstanceChanged
from common.states import ACTIONS, MOVES, Action, OperationClass, PowerCode, Rule, TaskState, VmState

logger = logging.getLogger(__name__)

_INSTANCES = cast(sa.Table, Instance.__table__)
_POWER_CODES = {
    PowerState.RUNNING: PowerCode.RUNNING,
    PowerState.PAUSED: PowerCode.PAUSED,
    PowerState.SHUTDOWN: PowerCode.SHUTDOWN,
    PowerState.CRASHED: PowerCode.CRASHED,
    PowerState.SUSPENDED: PowerCode.SUSPENDED,
}


def get(session: Session, instance_id: str, *, deleted: bool = False) -> Instance:
    """Raises NotFound; a deleted instance is not found unless asked for."""
    found = session.get(Instance, instance_id, populate_existing=True)
    if found is None or (found.deleted and not deleted):
        raise NotFound(f"Instance {instance_id} could not be found.")
    return found


def held(session: Session, instance_id: str) -> Instance:
    """As `get`, but as this transaction has read or written it already, if it has."""
    found = session.get(Instance, instance_id)
    if found is None or found.deleted:
        raise NotFound(f"Instance {instance_id} could not be found.")
    return found


def get_visible(session: Session, instance_id: str, context: RequestContext) -> Instance:
    """The instance if the caller may see it. Raises NotFound, with the same words for a stranger's and for none."""
    instance = get(session, instance_id)
    if not context.owns(instance.project_id):
        raise NotFound(f"Instance {instance_id} could not be found.")
    return instance


def create(
    session: Session, rows: Sequence[dict[str, Any]], context: RequestContext, now: datetime, params: dict[str, Any],
    own: Mapping[str, dict[str, Any]] | None = None,
) -> list[str]:  # fmt: skip
    """Insert servers, each held by the operation that builds it; the operations' ids. rows: values by column.

    own: parameters of one server's operation, by its id. Two statements, however many servers.
    """
    rule = ACTIONS[Action.CREATE]
    made = []
    for row in rows:
        its_own = {**params, **(own or {}).get(row["id"], {})}
        operation = _new_operation(Action.CREATE, row["id"], row["project_id"], VmState.BUILDING, its_own)
        made.append(operations.values(operation, context, now))
    held = {"vm_state": VmState.BUILDING, "task_state": rule.task}
    session.connection().execute(
        sa.insert(_INSTANCES),
        [{**row, **held, "operation_id": its["id"]} for row, its in zip(rows, made, strict=True)],
    )
    operations.create_all(session, made)
    for row, its in zip(rows, made, strict=True):
        log.event(
            logger, "instance.action_begun", instance_id=row["id"], action=Action.CREATE.value, operation_id=its["id"]
        )
        _tell(session, (row["id"], row["project_id"], None), VmState.BUILDING, its["id"], now, "create")
    return [its["id"] for its in made]


def _new_operation(
    action: Action, instance_id: str, project_id: str, vm_state: str, params: dict[str, Any] | None
) -> operations.NewOperation:
    rule = ACTIONS[action]
    return operations.NewOperation(
        kind=rule.saga,
        action=rule.shown_as,
        operation_class=rule.operation_class,
        resource_type="instance",
        resource_id=instance_id,
        project_id=project_id,
        params={**(params or {}), "action": action.value, "from_vm_state": vm_state},
    )


def begin(
    session: Session,
    instance: Instance,
    action: Action,
    context: RequestContext,
    now: datetime,
    params: dict[str, Any] | None = None,
) -> Operation:
    """Start an action on an instance: its operation exists and task_state is set, or nothing happened.

    Raises StateConflict (409), in OpenStack's words, when the state table forbids it or another action holds the
    instance. A pre-empting action asks the running ones to stop and does not wait for them.
    """
    rule = ACTIONS[action]
    _check_allowed(instance, rule)
    operation = operations.create(
        session,
        _new_operation(action, instance.id, instance.project_id, instance.vm_state, params),
        context,
        now,
    )
    if rule.operation_class == OperationClass.PREEMPTING:
        operations.request_cancel(session, instance.id, operation.id, now)
        condition = [Instance.id == instance.id, Instance.deleted.is_(False)]
    else:
        free = sa.or_(Instance.task_state.is_(None), Instance.task_state.in_(rule.replaces))
        condition = [
            Instance.id == instance.id,
            Instance.deleted.is_(False),
            Instance.vm_state == instance.vm_state,
            free,
        ]
    taken = session.execute(
        sa.update(Instance)
        .where(*condition)
        .values(task_state=rule.task, operation_id=operation.id, generation=Instance.generation + 1, updated_at=now)
        .execution_options(synchronize_session=False)
    )
    if taken.rowcount == 0:  # type: ignore[attr-defined]
        fresh = get(session, instance.id)
        raise StateConflict(
            f"Cannot '{rule.shown_as}' instance {instance.id} while it is in task_state {fresh.task_state}",
            task_state=fresh.task_state or "",
        )
    if rule.operation_class == OperationClass.EXCLUSIVE and operations.device_open(session, instance.id):
        operation.params = {**operation.params, operations.AFTER_DEVICES: True}
    log.event(logger, "instance.action_begun", instance_id=instance.id, action=action.value, operation_id=operation.id)
    session.expire(instance)
    return operation


def _check_allowed(instance: Instance, rule: Rule) -> None:
    if VmState(instance.vm_state) not in rule.allowed:
        raise StateConflict(
            f"Cannot '{rule.shown_as}' instance {instance.id} while it is in vm_state {instance.vm_state}",
            vm_state=instance.vm_state,
        )
    half_done = "resize" if instance.resize else "rescue" if instance.rescue else ""
    if instance.vm_state == VmState.ERROR and half_done and rule.operation_class != OperationClass.PREEMPTING:
        raise StateConflict(
            f"Cannot '{rule.shown_as}' instance {instance.id} while its {half_done} is half done: an administrator can "
            "reset its state to active, after which that can be ended.",
            vm_state=instance.vm_state,
        )


def transition(
    session: Session,
    instance_id: str,
    to: VmState,
    *,
    expect: Sequence[VmState],
    operation_id: str | None,
    now: datetime,
    reason: str,
    **changes: Any,
) -> bool:
    """Move vm_state by compare-and-set: only from `expect`, only along common.states.MOVES. False: it wasn't there.

    `changes` are written with it (power_state, launched_at, …). The event row is written in the same transaction.
    """
    return _move(session, instance_id, to, expect, operation_id, now, reason, changes, ends=False)


_MOVE = (
    sa.update(_INSTANCES)
    .where(
        _INSTANCES.c.id == sa.bindparam("instance"),
        _INSTANCES.c.vm_state.in_(sa.bindparam("expect", expanding=True)),
        _INSTANCES.c.deleted.is_(False),
    )
    .returning(_INSTANCES.c.id, _INSTANCES.c.project_id, _INSTANCES.c.node_name)
)  # it sets the columns that it is executed with
_HELD = _INSTANCES.c.operation_id == sa.bindparam("ending")
_END = _MOVE.values(
    task_state=sa.case((_HELD, sa.null()), else_=_INSTANCES.c.task_state),
    operation_id=sa.case((_HELD, sa.null()), else_=_INSTANCES.c.operation_id),
)


def _move(
    session: Session,
    instance_id: str,
    to: VmState,
    expect: Sequence[VmState],
    operation_id: str | None,
    now: datetime,
    reason: str,
    changes: dict[str, Any],
    *,
    ends: bool,
) -> bool:
    """ends: the operation's hold on the instance ends with it."""
    for start in expect:
        if to not in MOVES[start]:
            raise AssertionError(f"{start} -> {to} is not in the state table")
    values = {"instance": instance_id, "expect": list(expect), "vm_state": to, "updated_at": now, **changes}
    if ends:
        values["ending"] = operation_id
    moved = session.connection().execute(_END if ends else _MOVE, values).one_or_none()
    if moved is None:
        return False
    operations.add_event(
        session,
        operation_id=operation_id,
        resource_id=instance_id,
        name="transition",
        now=now,
        result="Success",
        message=f"{'/'.join(expect)} -> {to}: {reason}",
    )
    _tell(session, moved, to, operation_id, now, reason)
    log.event(logger, "instance.transition", instance_id=instance_id, to=to.value, reason=reason)
    return True


def _tell(
    session: Session, row: Sequence[Any], to: VmState, operation_id: str | None, now: datetime, reason: str
) -> None:
    """row: id, project_id, node_name."""
    instance_id, project_id, node = row
    event = InstanceChanged(
        instance_id=instance_id, project_id=project_id, vm_state=to.value, at=now, reason=reason, node=node,
        operation_id=operation_id,
    )  # fmt: skip
    tell(session, event)


def finish(
    session: Session,
    instance_id: str,
    to: VmState,
    *,
    expect: Sequence[VmState],
    operation_id: str,
    now: datetime,
    reason: str,
    **changes: Any,
) -> bool:
    """`transition`, and the end of the operation's hold on the instance (task_state), if it still has it."""
    if _move(session, instance_id, to, expect, operation_id, now, reason, changes, ends=True):
        return True
    set_task(session, instance_id, operation_id, None, now)
    return False


def place(session: Session, instance: Instance, node_id: str, node_name: str, operation_id: str, now: datetime) -> int:
    """Write down where an instance is to be, with a new epoch, which is returned; `instance` then says so too.

    task_state becomes `spawning` if the operation still holds the instance.
    """
    values = {
        "instance": instance.id, "holder": operation_id, "node_id": node_id, "node_name": node_name,
        "epoch": instance.epoch + 1, "updated_at": now,
    }  # fmt: skip
    written = session.connection().execute(_PLACE, values).mappings().one()
    for name, value in written.items():
        set_committed_value(instance, name, value)
    session.info[_PLACED] = instance  # or the session would forget it, and `held` read it again
    return instance.epoch


_PLACED = "cumulet_placed"
_PLACE = (
    sa.update(_INSTANCES)
    .where(_INSTANCES.c.id == sa.bindparam("instance"))
    .values(
        generation=_INSTANCES.c.generation + 1,
        task_state=sa.case(
            (_INSTANCES.c.operation_id == sa.bindparam("holder"), TaskState.SPAWNING.value),
            else_=_INSTANCES.c.task_state,
        ),
    )
    .returning(
        *(_INSTANCES.c[name] for name in ("node_id", "node_name", "epoch", "generation", "task_state", "updated_at"))
    )
)


def leave_node(session: Session, instance_id: str, **values: Any) -> None:
    """The instance is on no node; commands that were sent to it there are stale. values: columns that change with that."""
    session.execute(
        sa.update(Instance)
        .where(Instance.id == instance_id)
        .values(node_id=None, node_name=None, generation=Instance.generation + 1, **values)
        .execution_options(synchronize_session=False)
    )


def next_generation(session: Session, instance: Instance) -> None:
    """What is said of the instance from now on is later than everything said before; `instance` then says so too."""
    session.execute(
        sa.update(Instance)
        .where(Instance.id == instance.id)
        .values(generation=Instance.generation + 1)
        .returning(Instance)
        .execution_options(synchronize_session=False, populate_existing=True)
    ).scalar_one()


def set_task(session: Session, instance_id: str, operation_id: str, task: str | None, now: datetime) -> bool:
    """Move task_state, if this operation still holds the instance; None ends the hold."""
    values: dict[str, Any] = {"task_state": task, "updated_at": now}
    if task is None:
        values["operation_id"] = None
    columns = _INSTANCES.c
    held = sa.update(_INSTANCES).where(columns.id == instance_id, columns.operation_id == operation_id)
    return bool(session.connection().execute(held.values(**values)).rowcount)


def set_fault(session: Session, instance_id: str, error: CloudError | dict[str, Any] | None, now: datetime) -> None:
    """Remember why; shown as the server's fault while it is in ERROR (message to tenants, detail to administrators).

    None: that is over.
    """
    fault = None
    if error is not None:
        facts = error.as_dict() if isinstance(error, CloudError) else error
        fault = {key: facts.get(key, "") for key in ("code", "message", "detail")} | {"at": now.isoformat()}
    session.execute(
        sa.update(Instance)
        .where(Instance.id == instance_id)
        .values(fault=fault)
        .execution_options(synchronize_session=False)
    )


def observe_power(session: Session, instance_id: str, power: PowerState, at: datetime) -> None:
    """Write what was seen on the node; never touches what is intended."""
    session.execute(
        sa.update(Instance)
        .where(Instance.id == instance_id, sa.or_(Instance.power_state_at.is_(None), Instance.power_state_at <= at))
        .values(power_state=_POWER_CODES.get(power, PowerCode.NOSTATE), power_state_at=at)
        .execution_options(synchronize_session=False)
    )


def power_code(power: PowerState) -> PowerCode:
    return _POWER_CODES.get(power, PowerCode.NOSTATE)


def flavor_amounts(flavor: dict[str, Any]) -> dict[str, int]:
    """What a server of this flavor counts for in its project's quota, beside being one; ram in MiB."""
    return {"cores": int(flavor["vcpus"]), "ram": int(flavor["memory_mib"])}


def quota_amounts(instance: Instance) -> dict[str, int]:
    """What one server counts for in its project's quota: while a resize is not confirmed, the larger of two flavors."""
    if instance.vm_state == VmState.SOFT_DELETED:
        return {"instances": 0, "cores": 0, "ram": 0}
    amounts = flavor_amounts(instance.flavor)
    if instance.resize:
        other = flavor_amounts(instance.resize["flavor"])
        amounts = {resource: max(amount, other[resource]) for resource, amount in amounts.items()}
    return {"instances": 1, **amounts}


def mark_deleted(session: Session, instance: Instance, operation_id: str, now: datetime) -> bool:
    """Delete the row (softly) and give back its quota, once: a second call changes nothing and answers False."""
    done = session.execute(
        sa.update(Instance)
        .where(Instance.id == instance.id, Instance.deleted.is_(False))
        .values(
            deleted=True,
            vm_state=VmState.DELETED,
            task_state=None,
            operation_id=None,
            terminated_at=now,
            updated_at=now,
            power_state=PowerCode.NOSTATE,
        )
        .execution_options(synchronize_session=False)
    )
    if done.rowcount == 0:  # type: ignore[attr-defined]
        return False
    quotas.release(session, instance.project_id, quota_amounts(instance))
    operations.add_event(
        session,
        operation_id=operation_id,
        resource_id=instance.id,
        name="transition",
        now=now,
        result="Success",
        message=f"{instance.vm_state} -> deleted",
    )
    where = instance.id, instance.project_id, instance.node_name
    _tell(session, where, VmState.DELETED, operation_id, now, "delete")
    log.event(logger, "instance.transition", instance_id=instance.id, to="deleted", reason="delete")
    return True
