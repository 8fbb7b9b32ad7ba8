"""Rebuild a server: new disks from an image, the same ports, on the node where it is; stopped again if it was stopped.

Image, keys and user data were written with the request, so that a repetition builds the same. The volume that a server
boots from gets the image's bytes where that was asked for, and keeps its own otherwise; the guest is off meanwhile, and
a volume that is served to its node is not, because nobody can change what is served.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from common.db import instances, volumes
from common.deadlines import ENSURE_STOPPED_S, ENSURE_VOLUME_S, EXPORT_S, REBUILD_S, WAIT_FOR_VOLUME_S
from common.image_spec import image_spec
from common.rpc.compute_v1 import EnsureStopped, PowerState, RebuildInstance, WantedPower
from common.rpc.volume_commands import ReimageVolume
from common.saga.model import Local, Outcome, Remote, Saga, Send, StepContext, Wait
from common.states import VmState
from scheduler import instance_spec
from scheduler.sagas import volume_disks, volume_shared
from scheduler.sagas.shared import (
    NodeSilent,
    action_stuck,
    action_unwound,
    command_fields,
    end_action,
    node_of,
    report_error,
    sealed_password,
)


def saga() -> Saga:
    return Saga(
        kind="server_rebuild",
        steps=(
            Local("hold_volume", do=hold_volume, undo=let_go, needed=reimages, deadline_s=WAIT_FOR_VOLUME_S),
            Remote("ensure_stopped", do=ensure_stopped, failed=report_error, deadline_s=ENSURE_STOPPED_S),
            Remote("withdraw_export", do=withdraw_export, undo=export_again, failed=report_error, deadline_s=EXPORT_S),
            Remote("reimage_volume", do=reimage_volume, failed=report_error, deadline_s=ENSURE_VOLUME_S),
            Remote("export_volume", do=export_volume, failed=report_error, deadline_s=EXPORT_S),
            Remote("rebuild_instance", do=rebuild_instance, failed=report_error, deadline_s=REBUILD_S),
            Local("finish", do=finish),
        ),
        unwound=action_unwound,
        stuck=action_stuck,
    )


def reimages(context: StepContext) -> bool:
    return bool(context.params.get("reimage"))


def hold_volume(session: Session, context: StepContext) -> Outcome:
    if volumes.hold(session, context.params["reimage"], context.operation.id):
        return {}
    return Wait(volume_shared.POLL_S)


def let_go(session: Session, context: StepContext) -> None:
    if reimages(context):
        volumes.let_go(session, context.params["reimage"], context.operation.id)


def ensure_stopped(session: Session, context: StepContext) -> Send | None:
    """Its disk is to be another one: there is nothing for the guest to write any more."""
    if not reimages(context):
        return None
    instance = instances.get(session, context.instance_id)
    fields = command_fields(context, instance, "ensure_stopped")
    return Send(node_of(instance), EnsureStopped(timeout_s=0, **fields))


def withdraw_export(session: Session, context: StepContext) -> Send | None:
    """None: the volume is not served. Raises NodeSilent: the export may be there still, and the bytes are out of reach."""
    send = volume_disks.withdraw_export(session, context) if reimages(context) else None
    if volume_disks.is_left(context):
        raise NodeSilent("The node that has the volume does not answer, so that it can't be given the image's bytes.")
    return send


def export_volume(session: Session, context: StepContext) -> Send | None:
    return volume_disks.export_volume(session, context) if reimages(context) else None


def export_again(session: Session, context: StepContext) -> Send | None:
    return volume_disks.export_again(session, context) if reimages(context) else None


def reimage_volume(session: Session, context: StepContext) -> Send | None:
    if not reimages(context):
        return None
    volume = volumes.get(session, context.params["reimage"])
    place = volume_shared.place_of(session, volume)
    if place is None:
        return None
    common, about = volume_shared.command_fields(context, volume, "reimage_volume", place)
    image = image_spec(context.params["image"], context.config)
    command = ReimageVolume(
        disk_format=volume.disk_format, size_gib=volume.size_gib, image=image, **common, **about
    )  # fmt: skip
    return Send(place.node, command)


def rebuild_instance(session: Session, context: StepContext) -> Send:
    instance = instances.get(session, context.instance_id)
    node = node_of(instance)
    command = RebuildInstance(
        spec=instance_spec.build(session, instance, context.config),
        power=WantedPower.STOPPED if _was_stopped(context) else WantedPower.RUNNING,
        keep_ephemeral=bool(context.params.get("keep_ephemeral")),
        sealed_password=sealed_password(session, context, instance),
        **command_fields(context, instance, "rebuild_instance"),
    )
    return Send(node, command)


def finish(session: Session, context: StepContext) -> dict[str, Any]:
    let_go(session, context)
    power = PowerState(context.results["rebuild_instance"].get("power", PowerState.UNKNOWN))
    to = VmState.STOPPED if _was_stopped(context) else VmState.ACTIVE
    end_action(session, context, power, to=to, fault=None, launched_at=context.now, progress=100)
    return {}


def _was_stopped(context: StepContext) -> bool:
    return bool(context.params["from_vm_state"] == VmState.STOPPED)
