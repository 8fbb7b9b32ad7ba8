"""Give a volume another type: where it is, if its back end has what the type asks for, else, on demand, elsewhere.

What is counted for the new type was taken with the request; what was counted for the old one is given back at the end.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from common.db import quotas, volume_quota, volume_snapshots, volume_types, volumes
from common.db import volume_moves as moves
from common.deadlines import WAIT_FOR_NODES_S, WAIT_FOR_VOLUME_S
from common.errors import NoValidNode
from common.saga.model import Local, Outcome, Saga, StepContext
from common.volume_capabilities import asks_for
from scheduler.sagas import volume_moves
from scheduler.sagas.volume_moves import Way, Wish
from scheduler.sagas.volume_shared import action_stuck, action_unwound, end_action, hold, let_go


def saga() -> Saga:
    return Saga(
        kind="volume_retype",
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
    specs = volume_types.specs_of(session, context.params["type_id"])
    wish = Wish(specs, raw=asks_for(specs, "multiattach"))
    unmet = volume_moves.stays(session, context, volume, wish)
    if unmet is None and not wish.raw:
        return volume_moves.chosen(volume_moves.present_place(volume), Way.STAYS)
    if unmet is None:
        return volume_moves.convert_here(session, context, volume)
    if not context.params["on_demand"]:
        raise NoValidNode(
            f"The back end that has volume {volume.id} has not what the type asks for: {unmet}; allow the volume to move"
            " (migration policy on-demand).", node=volume.node_name,
        )  # fmt: skip
    result = volume_moves.choose_elsewhere(session, context, volume, wish)
    moves.set_migration_status(session, volume.id, "migrating")
    return result


def finish(session: Session, context: StepContext) -> dict[str, Any]:
    volume, type_id = volumes.get(session, context.params["volume_id"]), context.params["type_id"]
    if volume.volume_type_id != type_id:
        _count_anew(session, context, volume.volume_type_id)
    several = asks_for(volume_types.specs_of(session, type_id), "multiattach")
    changes = volume_moves.finish(session, context)
    return end_action(session, context, volume_type_id=type_id, multiattach=several, **changes)


def _count_anew(session: Session, context: StepContext, old_type_id: str | None) -> None:
    """Snapshots may have gone since the request: what was taken for them goes back, too."""
    volume = volumes.get(session, context.params["volume_id"])
    now = volume_quota.of_volume(
        volume.size_gib, [row.size_gib for row in volume_snapshots.of_volume(session, volume.id)]
    )
    taken: dict[str, int] = context.params["taken"]
    less = {name: amount - now.get(name, 0) for name, amount in taken.items() if amount > now.get(name, 0)}
    freed = volume_quota.only_of_type(less, context.params["type_id"])
    if old_type_id is not None:
        freed |= volume_quota.only_of_type(now, old_type_id)
    quotas.release(session, volume.project_id, freed)


def unwound(session: Session, context: StepContext, error: dict[str, Any], cancelled: bool) -> None:
    _release(session, context)
    volume_moves.failed(session, context)
    action_unwound(session, context, error, cancelled)


def stuck(session: Session, context: StepContext, error: dict[str, Any]) -> None:
    _release(session, context)
    volume_moves.stuck(session, context)
    action_stuck(session, context, error)


def _release(session: Session, context: StepContext) -> None:
    volume = volumes.get(session, context.params["volume_id"], deleted=True)
    quotas.release(
        session, volume.project_id, volume_quota.only_of_type(context.params["taken"], context.params["type_id"])
    )
