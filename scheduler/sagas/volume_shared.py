"""What the sagas of volumes and snapshots have in common: taking turns at a volume's bytes, and commands about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypedDict

from sqlalchemy.orm import Session

from common.db import instances, volume_attachments, volume_messages, volumes
from common.db.models import Volume, VolumeAttachment
from common.db.volume_messages import ResourceType
from common.saga.model import Outcome, StepContext, Wait
from common.volume_capabilities import FILES, RBD
from common.volume_states import HELD_BY_GUEST, VolumeAction
from scheduler import pool_homes
from scheduler.sagas.shared import CommandFields

POLL_S = 0.5


class VolumeFields(TypedDict):
    volume_id: str
    device: str
    backend: str


@dataclass(frozen=True)
class Place:
    """Where a volume's bytes are worked on: a node, and the server there that has it as a disk, if one does."""

    node: str
    node_id: str
    instance_id: str = ""
    device: str = ""


def hold(session: Session, context: StepContext) -> Outcome:
    """Wait for the volume to be nobody else's, and take it."""
    volume_id = context.params["volume_id"]
    if volumes.hold(session, volume_id, context.operation.id):
        pool_homes.leave_dead_node(session, context, volume_id)
        return {"volume_id": volume_id}
    return Wait(POLL_S)


def let_go(session: Session, context: StepContext) -> None:
    volumes.let_go(session, context.params["volume_id"], context.operation.id)


def place_of(session: Session, volume: Volume, *, of_guest: bool = False) -> Place | None:
    """None for a volume that was never placed. Beside a guest that has it, that guest's node does the work.

    What is served over NBD is worked on where it is served, and what is in a pool on the node that it was placed on,
    unless its guest must have a part in it (of_guest).
    """
    if volume.backend == FILES or (volume.backend == RBD and of_guest):
        for attachment in volume_attachments.of_volume(session, volume.id):
            place = place_of_guest(session, attachment)
            if place is not None:
                return place
    if volume.node_name is None or volume.node_id is None:
        return None
    return Place(volume.node_name, volume.node_id)


def place_of_guest(session: Session, attachment: VolumeAttachment) -> Place | None:
    """None where no guest of ours has the volume by this attachment: it is somebody else's, or only spoken for."""
    if attachment.node_name is None or attachment.instance_id is None or not attachment.device:
        return None
    if attachment.status not in HELD_BY_GUEST:
        return None
    instance = instances.get(session, attachment.instance_id, deleted=True)
    if instance.node_id is None or instance.node_name is None or instance.deleted:
        return None
    return Place(instance.node_name, instance.node_id, instance.id, attachment.device)


def command_fields(
    context: StepContext, volume: Volume, step: str, place: Place | None = None
) -> tuple[CommandFields, VolumeFields]:
    """A repeated command keeps the generation it was first sent with, so that repeating changes nothing."""
    assert context.command_deadline is not None
    common = CommandFields(
        id=context.command_id,
        operation_id=context.operation.id,
        step=step,
        request_id=context.operation.request_id,
        instance_id=place.instance_id if place else "",
        epoch=0,
        generation=context.generation or volume.generation,
        deadline=context.command_deadline,
    )
    about = VolumeFields(volume_id=volume.id, device=place.device if place else "", backend=volume.backend)
    return common, about


def action_of(context: StepContext) -> VolumeAction:
    return VolumeAction(context.params["action"])


def end_action(session: Session, context: StepContext, **changes: Any) -> dict[str, Any]:
    """The action succeeded: the status goes where the table says, the volume is free again."""
    changes.setdefault("fault", None)
    volumes.finish(
        session, context.params["volume_id"], action_of(context), context.operation.id, context.now, **changes
    )
    return {}


def action_unwound(session: Session, context: StepContext, error: dict[str, Any], cancelled: bool) -> None:
    """The action failed: the status goes where the table says, the reason is kept, the volume is free."""
    volume_id = context.params["volume_id"]
    if cancelled:
        volumes.let_go(session, volume_id, context.operation.id)
        return  # the pre-empting operation has the volume now
    volumes.set_fault(session, volume_id, error, context.now)
    volume_messages.tell(session, context.operation, ResourceType.VOLUME, volume_id, error, context.now)
    volumes.finish(session, volume_id, action_of(context), context.operation.id, context.now, failed=True)


def action_stuck(session: Session, context: StepContext, error: dict[str, Any]) -> None:
    """Undo gave up: nobody knows what is left on the node."""
    action_unwound(session, context, error, cancelled=False)
