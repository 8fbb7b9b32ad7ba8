"""Make an image of a volume: the node copies its bytes of one moment and sends the copy to the image service.

The image was registered with the request. Unless its bytes have come by then, it goes when the operation fails.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from common.db import images, node_life, volumes
from common.deadlines import UPLOAD_S, WAIT_FOR_VOLUME_S
from common.errors import StateConflict
from common.image_spec import image_url
from common.rpc.volume_commands import (
    DiscardVolumeCopy,
    UploadVolume,
)
from common.saga.model import Local, Remote, Saga, Send, StepContext
from scheduler.sagas.shared import report_error
from scheduler.sagas.volume_shared import (
    action_stuck,
    action_unwound,
    command_fields,
    end_action,
    hold,
    let_go,
    place_of,
)


def saga() -> Saga:
    return Saga(
        kind="volume_upload",
        steps=(
            Local("hold", do=hold, undo=let_go, deadline_s=WAIT_FOR_VOLUME_S),
            Remote("upload_volume", do=upload_volume, undo=discard_copy, failed=report_error, deadline_s=UPLOAD_S),
            Local("finish", do=finish),
        ),
        unwound=unwound,
        stuck=action_stuck,
    )


def upload_volume(session: Session, context: StepContext) -> Send:
    volume = volumes.get(session, context.params["volume_id"])
    place = place_of(session, volume)
    if place is None:
        raise StateConflict(f"Volume {volume.id} is on no node: its creation failed.")
    common, about = command_fields(context, volume, "upload_volume", place)
    image_id = context.params["image_id"]
    command = UploadVolume(
        disk_format=volume.disk_format, image_id=image_id, image_format=context.params["image_format"],
        url=image_url(image_id, context.config), **common, **about,
    )  # fmt: skip
    return Send(place.node, command)


def discard_copy(session: Session, context: StepContext) -> Send | None:
    volume = volumes.get(session, context.params["volume_id"], deleted=True)
    place = place_of(session, volume)
    if place is None or node_life.is_down(session, place.node_id, context.now):
        return None
    common, about = command_fields(context, volume, "upload_volume", place)
    return Send(place.node, DiscardVolumeCopy(image_id=context.params["image_id"], **common, **about))


def finish(session: Session, context: StepContext) -> dict[str, Any]:
    return end_action(session, context)


def unwound(session: Session, context: StepContext, error: dict[str, Any], cancelled: bool) -> None:
    images.give_up(session, context.params["image_id"], context.now)
    action_unwound(session, context, error, cancelled)
