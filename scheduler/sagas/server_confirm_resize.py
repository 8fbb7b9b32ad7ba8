"""Confirm a resize: what the server was goes, with its claim; it is as if it had always been what it is now."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from common.db import instances, resizes, server_migrations
from common.db.server_migrations import MigrationStatus
from common.deadlines import ENSURE_ABSENT_S
from common.rpc.compute_v1 import PowerState
from common.saga.model import Local, Remote, Saga, Send, StepContext
from common.states import PowerCode, VmState
from scheduler.sagas import shared
from scheduler.sagas.shared import action_stuck, action_unwound, end_action, report_error


def saga() -> Saga:
    return Saga(
        kind="server_confirm_resize",
        steps=(
            Remote("clear_old_place", do=clear_old_place, failed=report_error, deadline_s=ENSURE_ABSENT_S),
            Local("finish", do=finish),
        ),
        unwound=action_unwound,
        stuck=action_stuck,
    )


def clear_old_place(session: Session, context: StepContext) -> Send | None:
    return shared.clear_old_place(session, context, "clear_old_place")


def finish(session: Session, context: StepContext) -> dict[str, Any]:
    """A guest that was off before it was resized, or has powered itself off since, is stopped."""
    instance = instances.get(session, context.instance_id)
    off = instance.power_state in (PowerCode.SHUTDOWN, PowerCode.CRASHED)
    power = PowerState.SHUTDOWN if off else PowerState.RUNNING
    resizes.confirm(session, instance, context.now)
    server_migrations.end(session, instance.id, MigrationStatus.CONFIRMED, context.now)
    end_action(session, context, power, to=VmState.STOPPED if off else VmState.ACTIVE, fault=None)
    return {}
