"""Delete a server, in whatever state it is: wait until others have stopped, have the node remove it, give all back.

On a node that is down nobody can remove it now: it is gone for its user all the same, and what may be left of it, with
its claim, ports, addresses and volumes, is held by an operation that waits for the node (server_remains).
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from common.db import (
    guest_passwords,
    images,
    instances,
    node_life,
    nodes,
    operations,
    ports,
    resizes,
    server_migrations,
    volume_freeing,
)
from common.db.server_migrations import MigrationStatus
from common.deadlines import ENSURE_ABSENT_S, WAIT_FOR_CANCELLED_S
from common.rpc.compute_v1 import EnsureAbsent
from common.saga.model import Local, Outcome, Remote, Saga, Send, StepContext, Wait
from common.states import OperationClass
from scheduler.sagas import shared
from scheduler.sagas.shared import action_stuck, action_unwound, asked_by, command_fields, hand_over, report_error


def saga() -> Saga:
    return Saga(
        kind="server_delete",
        steps=(
            Local("wait_for_others", do=wait_for_others, deadline_s=WAIT_FOR_CANCELLED_S),
            Remote("ensure_absent", do=ensure_absent, failed=report_error, deadline_s=ENSURE_ABSENT_S),
            Remote("clear_old_place", do=clear_old_place, failed=report_error, deadline_s=ENSURE_ABSENT_S),
            Local("finish", do=finish),
        ),
        unwound=action_unwound,
        stuck=action_stuck,
    )


POLL_S = 0.5


def wait_for_others(session: Session, context: StepContext) -> Outcome:
    """Operations that were running have been asked to stop; of several that pre-empt them, each waits for the earlier."""
    others = operations.open_for(session, context.instance_id, except_id=context.operation.id)
    earlier = [
        o
        for o in others
        if o.operation_class != OperationClass.PREEMPTING
        or (o.created_at, o.id) < (context.operation.created_at, context.operation.id)
    ]
    return Wait(POLL_S) if earlier else {}


def ensure_absent(session: Session, context: StepContext) -> Send | None:
    instance = instances.get(session, context.instance_id, deleted=True)
    if instance.deleted or instance.node_name is None or instance.node_id is None:
        return None
    if node_life.is_down(session, instance.node_id, context.now):
        hand_over(session, context, instance, with_ports=True)
        return None
    return Send(instance.node_name, EnsureAbsent(**command_fields(context, instance, "ensure_absent")))


def clear_old_place(session: Session, context: StepContext) -> Send | None:
    """What a server that was resized on another node has there still; on its own node that went with the rest."""
    instance = instances.get(session, context.instance_id, deleted=True)
    if instance.deleted or resizes.old_place(instance) is None:
        return None
    return shared.clear_old_place(session, context, "clear_old_place")


def finish(session: Session, context: StepContext) -> dict[str, Any]:
    instance = instances.get(session, context.instance_id, deleted=True)
    if instances.mark_deleted(session, instance, context.operation.id, context.now):
        ports.release(session, instance.id, context.now)
        nodes.release_all(session, instance.id)
        server_migrations.end(session, instance.id, MigrationStatus.CONFIRMED, context.now)
        volume_freeing.of_instance(session, instance.id, asked_by(context), context.now)
        guest_passwords.forget(session, instance.id)
        if instance.shelved and instance.shelved["image_id"]:
            images.mark_deleted(session, instance.shelved["image_id"], context.now)
    return {}
