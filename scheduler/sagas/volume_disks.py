"""What the sagas that attach and detach volumes say to the server's node, forward and back, and what if it is silent.

A disk that a guest may have or not is the server's still: attachment `error_detaching`, volume `in-use`, with the reason.
Detaching it again, when the node answers, settles it.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from common.db import instances, node_life, volume_attachments, volume_messages, volumes
from common.db.models import Instance
from common.db.volume_messages import ResourceType
from common.rpc.volume_commands import PlugVolume, UnplugVolume
from common.saga.model import Outcome, Send, StepContext, Wait
from common.volume_states import AttachStatus
from scheduler.instance_spec import disk_of
from scheduler.sagas.shared import device_fields, node_of
from scheduler.sagas.volume_shared import POLL_S

_UNKNOWN = "disk_unknown"


def hold(session: Session, context: StepContext) -> Outcome:
    """Wait for the volume's bytes to be nobody else's."""
    volume_id = context.params["device_id"]
    if volumes.hold(session, volume_id, context.operation.id):
        return {"volume_id": volume_id}
    return Wait(POLL_S)


def let_go(session: Session, context: StepContext) -> None:
    volumes.let_go(session, context.params["device_id"], context.operation.id)


def plug_volume(session: Session, context: StepContext) -> Send | None:
    """None: the node is cut off: it starts guests on fresh specs only."""
    instance = instances.get(session, context.instance_id, deleted=True)
    if _out_of_reach(session, instance):
        return None
    volume = volumes.get(session, context.params["device_id"], deleted=True)
    attachment = volume_attachments.get(session, context.params["attachment_id"], deleted=True)
    fields = device_fields(session, context, instance, "plug_volume")
    return Send(node_of(instance), PlugVolume(volume=disk_of(volume, attachment), **fields))


def unplug_in_undo(session: Session, context: StepContext) -> Send | None:
    return _or_unknown(session, context, unplug_volume(session, context))


def plug_in_undo(session: Session, context: StepContext) -> Send | None:
    return _or_unknown(session, context, plug_volume(session, context))


def _or_unknown(session: Session, context: StepContext, send: Send | None) -> Send | None:
    """Note that a node that may have done its part can't be asked to undo it."""
    if send is None and not instances.get(session, context.instance_id, deleted=True).deleted:
        context.results[_UNKNOWN] = True
    return send


def is_unknown(context: StepContext) -> bool:
    """Whether nobody knows if the guest has the disk."""
    return bool(context.results.get(_UNKNOWN))


def leave_unknown(session: Session, context: StepContext, error: dict[str, Any]) -> None:
    """The volume stays the server's, and nobody else's, until it has been detached."""
    let_go(session, context)
    volume_id, passing = context.params["device_id"], (AttachStatus.ATTACHING, AttachStatus.DETACHING)
    attachment_id = context.params["attachment_id"]
    if volume_attachments.move(session, attachment_id, passing, AttachStatus.ERROR_DETACHING, context.now):
        volumes.settle(session, volume_id, context.now)
        volumes.set_fault(session, volume_id, error, context.now)
        volume_messages.tell(session, context.operation, ResourceType.VOLUME, volume_id, error, context.now)


def unplug_volume(session: Session, context: StepContext) -> Send | None:
    """None: the node is cut off."""
    instance = instances.get(session, context.instance_id, deleted=True)
    if _out_of_reach(session, instance):
        return None
    attachment = volume_attachments.get(session, context.params["attachment_id"], deleted=True)
    fields = device_fields(session, context, instance, "unplug_volume")
    return Send(node_of(instance), UnplugVolume(device=attachment.device or "", **fields))


def _out_of_reach(session: Session, instance: Instance) -> bool:
    return instance.deleted or instance.node_id is None or node_life.is_cut_off(session, instance.node_id)
