"""Move a volume to the node, or back end, that was asked for: its bytes are copied there and compared, then it is there."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from common.db import volume_types, volumes
from common.deadlines import WAIT_FOR_NODES_S, WAIT_FOR_VOLUME_S
from common.saga.model import Local, Outcome, Saga, StepContext
from scheduler.sagas import volume_moves
from scheduler.sagas.volume_moves import Wish
from scheduler.sagas.volume_shared import action_stuck, action_unwound, end_action, hold, let_go


def saga() -> Saga:
    return Saga(
        kind="volume_migrate",
        steps=(
            Local("hold", do=hold, undo=let_go, deadline_s=WAIT_FOR_VOLUME_S),
            Local(volume_moves.CHOOSE, do=choose, undo=volume_moves.give_up, deadline_s=WAIT_FOR_NODES_S),
            *volume_moves.steps(),
            Local("finish", do=finish),
        ),
        unwound=unwound,
        stuck=stuck,
    )


def choose(session: Session, context: StepContext) -> Outcome:
    """Raises NoValidNode, StateConflict."""
    volume = volumes.get(session, context.params["volume_id"])
    specs = volume_types.specs_of(session, volume.volume_type_id)
    wish = Wish(specs, raw=volume.multiattach, host=context.params["host"])
    return volume_moves.choose_elsewhere(session, context, volume, wish)


def finish(session: Session, context: StepContext) -> dict[str, Any]:
    return end_action(session, context, **volume_moves.finish(session, context))


def unwound(session: Session, context: StepContext, error: dict[str, Any], cancelled: bool) -> None:
    volume_moves.failed(session, context)
    action_unwound(session, context, error, cancelled)


def stuck(session: Session, context: StepContext, error: dict[str, Any]) -> None:
    volume_moves.stuck(session, context)
    action_stuck(session, context, error)
