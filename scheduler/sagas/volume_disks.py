"""What the sagas that attach and detach volumes say to the server's node, forward and back, and what if it is silent.

And to the node that has the volume, where that serves it over NBD: an export for this attachment, for this server's node.

A disk that a guest may have or not is the server's still: attachment `error_detaching`, volume `in-use`, with the reason.
Detaching it again, when the node answers, settles it. An export that has been withdrawn leaves no such doubt.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from common.db import instances, node_life, volume_attachments, volume_exports, volume_messages, volumes
from common.db.models import Instance, VolumeExport
from common.db.volume_messages import ResourceType
from common.rpc.volume_commands import ExportVolume, PlugVolume, UnplugVolume, WithdrawExport
from common.saga.model import Outcome, Send, StepContext, Wait
from common.volume_capabilities import NBD
from common.volume_states import AttachStatus
from scheduler.instance_spec import disk_of, export_of
from scheduler.sagas.shared import NodeSilent, asked_by, device_fields, device_unwound, node_of
from scheduler.sagas.volume_shared import POLL_S, command_fields

_NOT_WITHDRAWN = "not_withdrawn"

_UNKNOWN = "disk_unknown"


def hold(session: Session, context: StepContext) -> Outcome:
    """Wait for the volume's bytes to be nobody else's."""
    volume_id = context.params["device_id"]
    if volumes.hold(session, volume_id, context.operation.id):
        return {"volume_id": volume_id}
    return Wait(POLL_S)


def let_go(session: Session, context: StepContext) -> None:
    volumes.let_go(session, context.params["device_id"], context.operation.id)


def is_nowhere(session: Session, context: StepContext) -> bool:
    """True for a server that has left its node: its next node is told of its volumes when it comes there."""
    return instances.get(session, context.instance_id, deleted=True).node_id is None


def plug_volume(session: Session, context: StepContext) -> Send | None:
    """None: the node is cut off: it starts guests on fresh specs only. Or the server is on none."""
    instance = instances.get(session, context.instance_id, deleted=True)
    if _out_of_reach(session, instance):
        return None
    volume = volumes.get(session, context.params["device_id"], deleted=True)
    attachment = volume_attachments.get(session, context.params["attachment_id"], deleted=True)
    fields = device_fields(session, context, instance, "plug_volume")
    return Send(node_of(instance), PlugVolume(volume=disk_of(session, volume, attachment), **fields))


def unplug_in_undo(session: Session, context: StepContext) -> Send | None:
    """Where the volume is served over NBD, the export's withdrawal, which comes next, takes it from the guest in any case."""
    send = unplug_volume(session, context)
    served = volume_exports.of_attachment(session, context.params["attachment_id"]) is not None
    return send if served else _or_unknown(session, context, send)


def plug_in_undo(session: Session, context: StepContext) -> Send | None:
    return _or_unknown(session, context, plug_volume(session, context))


def _or_unknown(session: Session, context: StepContext, send: Send | None) -> Send | None:
    """Note that a node that may have done its part can't be asked to undo it."""
    instance = instances.get(session, context.instance_id, deleted=True)
    if send is None and instance.node_id is not None and not instance.deleted:
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


def unwound(session: Session, context: StepContext, error: dict[str, Any], cancelled: bool) -> None:
    """The disk is where it was; whose volume it is reads why among its messages."""
    if not cancelled and not is_unknown(context):  # leave_unknown has told it
        volume = volumes.get(session, context.params["device_id"], deleted=True)
        volume_messages.tell(
            session, context.operation, ResourceType.VOLUME, volume.id, error, context.now, project_id=volume.project_id
        )
    device_unwound(session, context, error, cancelled)


def unplug_volume(session: Session, context: StepContext) -> Send | None:
    """None: the node is cut off, or the server is on none."""
    instance = instances.get(session, context.instance_id, deleted=True)
    if _out_of_reach(session, instance):
        return None
    attachment = volume_attachments.get(session, context.params["attachment_id"], deleted=True)
    fields = device_fields(session, context, instance, "unplug_volume")
    export = volume_exports.of_attachment(session, attachment.id)
    command = UnplugVolume(device=attachment.device or "", export_id=export.id if export else "", **fields)
    return Send(node_of(instance), command)


def assign_export(session: Session, context: StepContext) -> Outcome:
    """Choose the export's name and port, unless the server's next node is to have one. Raises Conflict."""
    volume = volumes.get(session, context.params["device_id"])
    if volume.backend != NBD or is_nowhere(session, context):
        return {}
    instance = instances.get(session, context.instance_id)
    ports = context.config.storage.ports()
    export = volume_exports.assign(
        session, volume, context.params["attachment_id"], node_of(instance), ports, context.now
    )  # fmt: skip
    return {"port": export.port}


def forget_export(session: Session, context: StepContext) -> None:
    """The node has withdrawn it, or was silent when it should: then it is asked again, until it has."""
    export = volume_exports.of_attachment(session, _export_of(context))
    if export is None:
        return
    if is_left(context):
        volume_exports.begin_withdrawal(session, export, asked_by(context), context.now)
    else:
        volume_exports.forget(session, export.id)


def export_volume(session: Session, context: StepContext) -> Send | None:
    """None: the volume's file is where the server is. Raises NodeSilent."""
    export = volume_exports.of_attachment(session, context.params["attachment_id"])
    return None if export is None else send_export(session, context, export, "export_volume")


def send_export(session: Session, context: StepContext, export: VolumeExport, step: str) -> Send:
    """Raises NodeSilent."""
    volume = volumes.get(session, export.volume_id, deleted=True)
    if node_life.is_down(session, export.node_id, context.now):
        raise NodeSilent("The node that has the volume does not answer.", node=volume.node_name)
    attachment = volume_attachments.get(session, export.attachment_id, deleted=True)
    common, about = command_fields(context, volume, step)
    command = ExportVolume(
        disk_format=volume.disk_format, export=export_of(session, export), client_name=export.client_name,
        read_only=attachment.mode == "ro", shareable=volume.multiattach, **common, **about,
    )  # fmt: skip
    return Send(volume.node_name or "", command)


def export_again(session: Session, context: StepContext) -> Send | None:
    """None also when the node is silent: what it had served it serves again when it is back."""
    export = volume_exports.of_attachment(session, context.params["attachment_id"])
    if export is None or node_life.is_down(session, export.node_id, context.now):
        return None
    return export_volume(session, context)


def withdraw_export(session: Session, context: StepContext) -> Send | None:
    """None: there is none, or the node is silent; nobody waits for it, for its export is for the node it was for."""
    export = volume_exports.of_attachment(session, _export_of(context))
    if export is None:
        return None
    if node_life.is_down(session, export.node_id, context.now):
        context.results[_NOT_WITHDRAWN] = True
        return None
    volume = volumes.get(session, export.volume_id, deleted=True)
    common, about = command_fields(context, volume, "withdraw_export")
    return Send(volume.node_name or "", WithdrawExport(export_id=export.id, **common, **about))


def is_left(context: StepContext) -> bool:
    """Whether an export could not be withdrawn, because its node is silent."""
    return bool(context.results.get(_NOT_WITHDRAWN))


def _export_of(context: StepContext) -> str:
    """What the export is for: an attachment, or the operation that moves the volume."""
    return str(context.params.get("attachment_id", context.operation.id))


def _out_of_reach(session: Session, instance: Instance) -> bool:
    return instance.deleted or instance.node_id is None or node_life.is_cut_off(session, instance.node_id)
