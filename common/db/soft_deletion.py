"""Servers that are deleted but can be restored for a time: who may be so deleted, who is due, and the way back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.context import RequestContext
from common.db import instances, user_quotas
from common.db.models import Instance, Operation
from common.states import ACTIONS, Action, VmState


def is_possible(instance: Instance) -> bool:
    """False for what never ran, has no guest on a node, or waits for a resize to be confirmed: it is deleted at once."""
    has_guest = instance.node_id is not None and instance.launched_at is not None and instance.resize is None
    return has_guest and VmState(instance.vm_state) in ACTIONS[Action.SOFT_DELETE].allowed


def restore(
    session: Session, instance: Instance, context: RequestContext, now: datetime, defaults: Mapping[str, int]
) -> Operation:
    """Make it a stopped server that counts in its project's quota again, and begin to start it.

    Raises StateConflict, QuotaExceeded.
    """
    if instance.vm_state == VmState.SOFT_DELETED:
        amounts = {"instances": 1, **instances.flavor_amounts(instance.flavor)}
        user_quotas.take(session, instance.project_id, instance.user_id, amounts, defaults)
    operation = instances.begin(session, instance, Action.RESTORE, context, now)
    instances.transition(
        session, instance.id, VmState.STOPPED, expect=(VmState.SOFT_DELETED,), operation_id=operation.id, now=now,
        reason="restore", soft_deleted_at=None,
    )  # fmt: skip
    return operation


def deleted_before(session: Session, time: datetime, limit: int) -> list[str]:
    """Ids of servers that were deleted before `time`, and that nothing is done with."""
    query = sa.select(Instance.id).where(
        sa.text("vm_state IN ('resized', 'soft-delete')"),  # in the very words of the index
        Instance.vm_state == VmState.SOFT_DELETED, Instance.soft_deleted_at <= time, Instance.task_state.is_(None),
        Instance.deleted.is_(False),
    )  # fmt: skip
    return list(session.scalars(query.order_by(Instance.id).limit(limit)))
