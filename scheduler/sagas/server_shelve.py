"""Shelve a server: it is switched off and an image made of its disk, from which it can be made anew anywhere.

When no time is configured for it to keep its place, an operation that takes it from its node follows at once. One that
boots from a volume is what the volume is: no image is made, and it leaves its node at once, as in Nova.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from common.db import images, instances
from common.deadlines import ENSURE_STOPPED_S, SNAPSHOT_S, UPLOAD_S
from common.rpc.compute_v1 import EnsureStopped, PowerState
from common.saga.model import FOLLOWED_BY, Local, Remote, Saga, Send, StepContext
from common.states import Action, VmState
from scheduler.sagas import server_snapshot
from scheduler.sagas.shared import (
    action_stuck,
    asked_by,
    command_fields,
    end_action,
    node_of,
    report_error,
    soft_stop_s,
)


def saga() -> Saga:
    return Saga(
        kind="server_shelve",
        steps=(
            Remote("ensure_stopped", do=ensure_stopped, failed=report_error, deadline_s=ENSURE_STOPPED_S),
            Remote(
                "snapshot_instance",
                do=server_snapshot.snapshot_instance,
                undo=server_snapshot.discard_snapshot,
                failed=report_error,
                deadline_s=SNAPSHOT_S,
            ),
            Remote("upload_snapshot", do=server_snapshot.upload_snapshot, failed=report_error, deadline_s=UPLOAD_S),
            Local("finish", do=finish),
        ),
        unwound=server_snapshot.unwound,
        stuck=action_stuck,
    )


def ensure_stopped(session: Session, context: StepContext) -> Send:
    """A guest that runs gets its time to power off; one that is paused could not use it."""
    instance = instances.get(session, context.instance_id)
    timeout_s = soft_stop_s(instance) if context.params["from_vm_state"] == VmState.ACTIVE else 0
    return Send(
        node_of(instance), EnsureStopped(timeout_s=timeout_s, **command_fields(context, instance, "ensure_stopped"))
    )


def finish(session: Session, context: StepContext) -> dict[str, Any]:
    shelved: dict[str, Any] = {"image_id": None, "at": context.now.isoformat()}
    on_volume = server_snapshot.is_on_volume(context)
    if not on_volume:
        image = images.get(session, context.params["image_id"])
        shelved |= {"image_id": image.id, "image": images.copy_for_server(image)}
    end_action(session, context, PowerState.SHUTDOWN, shelved=shelved)
    if context.config.compute.shelved_offload_time_s == 0 or on_volume:
        instance = instances.get(session, context.instance_id)
        if instance.vm_state == VmState.SHELVED and instance.task_state is None:
            begun = instances.begin(session, instance, Action.SHELVE_OFFLOAD, asked_by(context), context.now)
            return {FOLLOWED_BY: begun.id}
    return {}
