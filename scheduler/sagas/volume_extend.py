"""Make a volume larger: hold it, claim what it grows by, have the node grow the file; a guest sees it at once.

Where it is served over NBD, a running guest is shown the new size by its own node, in a second step.

The quota was taken with the request, and is given back when it fails.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from common.db import nodes, quotas, volume_attachments, volume_exports, volume_quota, volumes
from common.db.models import Volume
from common.deadlines import RESIZE_VOLUME_S, SHOW_SIZE_S, WAIT_FOR_VOLUME_S
from common.errors import NoValidNode, StateConflict
from common.rpc.volume_commands import (
    ResizeVolume,
)
from common.saga.model import Local, Outcome, Remote, Saga, Send, StepContext
from common.volume_capabilities import node_gib
from scheduler.sagas.shared import report_error
from scheduler.sagas.volume_shared import (
    action_unwound,
    command_fields,
    end_action,
    hold,
    let_go,
    place_of,
    place_of_guest,
)


def saga() -> Saga:
    return Saga(
        kind="volume_extend",
        steps=(
            Local("hold", do=hold, undo=let_go, deadline_s=WAIT_FOR_VOLUME_S),
            Local("claim", do=claim, undo=release),
            Remote("resize_volume", do=resize_volume, failed=report_error, deadline_s=RESIZE_VOLUME_S),
            Remote("show_size", do=show_size, failed=report_error, deadline_s=SHOW_SIZE_S),
            Local("finish", do=finish),
        ),
        unwound=unwound,
        stuck=stuck,
    )


def claim(session: Session, context: StepContext) -> Outcome:
    volume = volumes.get(session, context.params["volume_id"])
    if volume.node_id is None:
        raise StateConflict(f"Volume {volume.id} is on no node: its creation failed.")
    size_gib = int(context.params["size_gib"])
    if not _grow(session, volume, volume.node_id, size_gib):
        raise NoValidNode(
            f"The node that has volume {volume.id} has not enough disk left for {size_gib} GiB.", node=volume.node_name
        )
    return {"size_gib": size_gib}


def release(session: Session, context: StepContext) -> None:
    """Back to the size that the row still says; a file that grew keeps its length, which harms nobody."""
    volume = volumes.get(session, context.params["volume_id"], deleted=True)
    if volume.node_id is not None:
        _grow(session, volume, volume.node_id, volume.size_gib)


def _grow(session: Session, volume: Volume, node_id: str, size_gib: int) -> bool:
    disk_gib = node_gib(volume.backend, size_gib)
    return nodes.grow(session, consumer_id=volume.id, node_id=node_id, purpose=volumes.PURPOSE, disk_gib=disk_gib)


def resize_volume(session: Session, context: StepContext) -> Send:
    volume = volumes.get(session, context.params["volume_id"])
    place = place_of(session, volume, of_guest=True)
    if place is None:
        raise StateConflict(f"Volume {volume.id} is on no node: its creation failed.")
    common, about = command_fields(context, volume, "resize_volume", place)
    command = ResizeVolume(disk_format=volume.disk_format, size_gib=int(context.params["size_gib"]), **common, **about)
    return Send(place.node, command)


def show_size(session: Session, context: StepContext) -> Send | None:
    """None: no guest has it by an export."""
    volume = volumes.get(session, context.params["volume_id"])
    for attachment in volume_attachments.of_volume(session, volume.id):
        export = volume_exports.of_attachment(session, attachment.id)
        place = place_of_guest(session, attachment)
        if export is None or place is None:
            continue
        common, about = command_fields(context, volume, "show_size", place)
        command = ResizeVolume(
            disk_format=volume.disk_format, size_gib=int(context.params["size_gib"]), export_id=export.id,
            **common, **about,
        )  # fmt: skip
        return Send(place.node, command)
    return None


def finish(session: Session, context: StepContext) -> dict[str, Any]:
    return end_action(session, context, size_gib=int(context.params["size_gib"]))


def unwound(session: Session, context: StepContext, error: dict[str, Any], cancelled: bool) -> None:
    volume = volumes.get(session, context.params["volume_id"], deleted=True)
    if not volume.deleted:
        more = {"gigabytes": int(context.params["size_gib"]) - volume.size_gib}
        quotas.release(session, volume.project_id, volume_quota.with_type(more, volume.volume_type_id))
    action_unwound(session, context, error, cancelled)


def stuck(session: Session, context: StepContext, error: dict[str, Any]) -> None:
    """No node has a part in the undo, so that all of it can be done here."""
    release(session, context)
    unwound(session, context, error, False)
