"""Make an image of a server's root disk: the node copies it at one moment and sends the copy to the image service.

The image was registered with the request. Unless its bytes have come by then, it goes when the operation fails.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from common.db import images, instances, node_life
from common.deadlines import SNAPSHOT_S, UPLOAD_S
from common.image_spec import image_url
from common.rpc.compute_v1 import DiscardSnapshot, PowerState, SnapshotInstance, UploadSnapshot
from common.saga.model import Local, Remote, Saga, Send, StepContext
from common.states import Action, TaskState
from scheduler.sagas.shared import action_stuck, action_unwound, command_fields, end_action, node_of, report_error


def saga() -> Saga:
    return Saga(
        kind="server_snapshot",
        steps=(
            Remote(
                "snapshot_instance",
                do=snapshot_instance,
                undo=discard_snapshot,
                failed=report_error,
                deadline_s=SNAPSHOT_S,
            ),
            Remote("upload_snapshot", do=upload_snapshot, failed=report_error, deadline_s=UPLOAD_S),
            Local("finish", do=finish),
        ),
        unwound=unwound,
        stuck=action_stuck,
    )


def snapshot_instance(session: Session, context: StepContext) -> Send:
    instance = instances.get(session, context.instance_id)
    _task(session, context, TaskState.IMAGE_PENDING_UPLOAD, TaskState.SHELVING_IMAGE_PENDING_UPLOAD)
    command = SnapshotInstance(
        image_id=context.params["image_id"],
        quiesce=bool(context.params.get("quiesce")),
        **command_fields(context, instance, "snapshot_instance"),
    )
    return Send(node_of(instance), command)


def upload_snapshot(session: Session, context: StepContext) -> Send:
    instance = instances.get(session, context.instance_id)
    _task(session, context, TaskState.IMAGE_UPLOADING, TaskState.SHELVING_IMAGE_UPLOADING)
    image_id = context.params["image_id"]
    url = image_url(image_id, context.config)
    return Send(
        node_of(instance),
        UploadSnapshot(image_id=image_id, url=url, **command_fields(context, instance, "upload_snapshot")),
    )


def discard_snapshot(session: Session, context: StepContext) -> Send | None:
    """On a node that is cut off the copy lies in the server's folder, and goes with it."""
    instance = instances.get(session, context.instance_id, deleted=True)
    if instance.node_id is None or instance.deleted or node_life.is_down(session, instance.node_id, context.now):
        return None
    fields = command_fields(context, instance, "snapshot_instance")
    return Send(node_of(instance), DiscardSnapshot(image_id=context.params["image_id"], **fields))


def finish(session: Session, context: StepContext) -> dict[str, Any]:
    end_action(session, context, PowerState(context.results["upload_snapshot"].get("power", PowerState.UNKNOWN)))
    return {}


def unwound(session: Session, context: StepContext, error: dict[str, Any], cancelled: bool) -> None:
    images.give_up(session, context.params["image_id"], context.now)
    action_unwound(session, context, error, cancelled)


def _task(session: Session, context: StepContext, wanted: TaskState, when_shelving: TaskState) -> None:
    shelving = context.params["action"] == Action.SHELVE
    task = when_shelving if shelving else wanted
    instances.set_task(session, context.instance_id, context.operation.id, task, context.now)
