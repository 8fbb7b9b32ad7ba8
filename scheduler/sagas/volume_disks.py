"""What the sagas that attach and detach volumes say to the server's node, forward and back."""

from __future__ import annotations

from sqlalchemy.orm import Session

from common.db import instances, node_life, volume_attachments, volumes
from common.db.models import Instance
from common.rpc.volume_commands import PlugVolume, UnplugVolume
from common.saga.model import Outcome, Send, StepContext, Wait
from scheduler.instance_spec import disk_of
from scheduler.sagas.shared import device_fields, node_of
from scheduler.sagas.volume_shared import POLL_S


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
