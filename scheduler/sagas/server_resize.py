"""Resize or migrate a server: switched off, given its new flavor on its node or another, started if it ran.

On its node its disks are copied first, and the copies kept. To another node the root disk travels as an image, by the
image service, which checks it as any other: node and image service know each other already, no node gets at another's
files, and formats are said, never guessed. The old node keeps disks, and nothing else, until the resize is confirmed.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from sqlalchemy.orm import Session

from common.db import (
    images,
    instances,
    network_state,
    node_life,
    nodes,
    ports,
    resizes,
    server_migrations,
)
from common.db.models import Image, Instance
from common.db.server_migrations import MigrationStatus
from common.deadlines import ENSURE_ABSENT_S, ENSURE_STOPPED_S, EXPORT_S, RESIZE_S, SNAPSHOT_S, UPLOAD_S
from common.errors import NoValidNode
from common.image_spec import image_url
from common.placement import abilities, neighbours, policy
from common.placement import request as placement_request
from common.placement.request import PlacementRequest
from common.placement.select import Decision, choose, summary
from common.rpc.compute_v1 import (
    DiscardSnapshot,
    EnsureAbsent,
    EnsureInstance,
    EnsureStopped,
    PowerState,
    ResizeInstance,
    SnapshotInstance,
    UploadSnapshot,
    WantedPower,
)
from common.rpc.disks_v1 import RestoreKeptDisks
from common.saga.model import Local, Outcome, Remote, Saga, Send, StepContext
from common.states import Action, TaskState, VmState
from scheduler import instance_spec, volume_places
from scheduler.sagas import server_volumes
from scheduler.sagas.shared import (
    action_stuck,
    action_unwound,
    command_fields,
    end_action,
    hand_over,
    node_of,
    report_error,
    soft_stop_s,
)

_rng = random.Random()
_SAID_OF_HARDWARE = ("properties", "min_disk", "min_ram")


def saga() -> Saga:
    return Saga(
        kind="server_resize",
        steps=(
            Local("claim", do=claim, undo=give_back),
            Remote(
                "ensure_stopped",
                do=ensure_stopped,
                undo=run_again,
                failed=report_error,
                deadline_s=ENSURE_STOPPED_S,
            ),
            Remote(
                "snapshot_instance",
                do=snapshot_instance,
                undo=discard_snapshot,
                failed=report_error,
                deadline_s=SNAPSHOT_S,
            ),
            Remote("upload_snapshot", do=upload_snapshot, failed=report_error, deadline_s=UPLOAD_S),
            Remote("leave_node", do=leave_node, undo=come_back, failed=report_error, deadline_s=ENSURE_ABSENT_S),
            Remote(
                server_volumes.EXPORT_BACK,
                do=_nothing,
                undo=export_back,
                failed=report_error,
                deadline_s=EXPORT_S,
                repeats=True,
            ),
            Local("move", do=move, undo=move_back),
            Remote(
                server_volumes.EXPORT_VOLUMES, do=export_volumes, failed=report_error, deadline_s=EXPORT_S, repeats=True
            ),
            Remote("resize_instance", do=resize_instance, undo=take_back, failed=report_error, deadline_s=RESIZE_S),
            Local("finish", do=finish),
        ),
        unwound=unwound,
        stuck=stuck,
    )


def claim(session: Session, context: StepContext) -> Outcome:
    """Choose a node for the new flavor and claim on it: its own node if it may be that and has room, else the best."""
    instance = instances.get(session, context.instance_id)
    for held in nodes.allocations(session, [instance.id]):
        if held.purpose == resizes.ASKED:  # claimed in this very transaction, by a step that is repeated
            return context.results.get("claim") or _claimed(session, instance, held.node_id)
    request = _request(session, context, instance)
    for narrowed in _choices(session, context, instance, request):
        decision = _decide(session, context, narrowed)
        for node in decision.candidates:
            if nodes.claim(
                session, consumer_id=instance.id, node_id=node.id, amounts=request.amounts,
                project_id=instance.project_id, user_id=instance.user_id, now=context.now, purpose=resizes.ASKED,
            ):  # fmt: skip
                context.reasoning.update(decision.reasoning(node.name))
                server_migrations.set_status(
                    session, context.operation.id, MigrationStatus.MIGRATING, context.now, target_node=node.name
                )
                _prepare_transfer(session, context, instance, node.id)
                return _claimed(session, instance, node.id)
    reasoning = decision.reasoning(None)
    raise NoValidNode(
        f"No valid host was found: {summary(decision)}.", detail=reasoning["nearest_fix"], reasoning=reasoning
    )


def _claimed(session: Session, instance: Instance, node_id: str) -> dict[str, Any]:
    node = nodes.get(session, node_id)
    assert node is not None
    return {"node": node.name, "node_id": node_id, "elsewhere": node_id != instance.node_id}


def _request(session: Session, context: StepContext, instance: Instance) -> PlacementRequest:
    assert instance.resize is not None
    request = placement_request.from_copies(
        instance.resize["flavor"], instance.image, instance_id=instance.id,
        availability_zone=instance.availability_zone, requested_node=context.params.get("requested_node"),
    )  # fmt: skip
    used = policy.from_config(context.config.scheduler)
    return abilities.consider(session, neighbours.consider(session, instance, request), used)


def _choices(
    session: Session, context: StepContext, instance: Instance, request: PlacementRequest
) -> list[PlacementRequest]:
    """What is asked of placement, in this order."""
    own = frozenset({str(instance.node_id)})
    same = replace(request, same_nodes=own if request.same_nodes is None else own & request.same_nodes)
    others = volume_places.reaching_its_volumes(session, instance, request)
    others = replace(others, other_nodes=request.other_nodes | own)
    if context.params["action"] == Action.MIGRATE:
        return [others]
    if int(instance.flavor.get("ephemeral_gib", 0)) or not volume_places.may_leave(session, instance):
        # only the root disk travels
        return [same]
    return [same, others] if context.config.compute.resize_on_same_node else [others, same]


def _decide(session: Session, context: StepContext, request: PlacementRequest) -> Decision:
    views = context.placement.current(session, context.now)
    return choose(request, views, context.now, _rng, policy.from_config(context.config.scheduler))


def _prepare_transfer(session: Session, context: StepContext, instance: Instance, node_id: str) -> None:
    image_id = context.params["image_id"]
    if instance.image.get("volume_backed"):
        return
    if node_id != instance.node_id and not images.exists(session, image_id):
        images.for_transfer(session, image_id, instance, context.now)


def give_back(session: Session, context: StepContext) -> None:
    for held in nodes.allocations(session, [context.instance_id]):
        if held.purpose == resizes.ASKED:
            nodes.release(session, consumer_id=context.instance_id, node_id=held.node_id, purpose=resizes.ASKED)


def ensure_stopped(session: Session, context: StepContext) -> Send:
    """Also one that is off: from here on its node holds it so."""
    instance = instances.get(session, context.instance_id)
    _task(session, context, TaskState.RESIZE_MIGRATING)
    timeout_s = soft_stop_s(instance) if _ran(context) else 0
    fields = command_fields(context, instance, "ensure_stopped")
    return Send(node_of(instance), EnsureStopped(timeout_s=timeout_s, **fields))


def run_again(session: Session, context: StepContext) -> Send:
    """As it was: defined where it was, with its old flavor, and running if it ran."""
    return _as_before(session, context, "ensure_stopped", WantedPower.RUNNING if _ran(context) else WantedPower.STOPPED)


def _as_before(session: Session, context: StepContext, step: str, power: WantedPower) -> Send:
    instance = instances.get(session, context.instance_id)
    if not context.generation:  # first sent: later than what took it from the node, whether that was obeyed or not
        instances.next_generation(session, instance)
    spec = instance_spec.build(session, instance, context.config)
    return Send(node_of(instance), EnsureInstance(spec=spec, power=power, **command_fields(context, instance, step)))


def snapshot_instance(session: Session, context: StepContext) -> Send | None:
    instance = instances.get(session, context.instance_id)
    if not _travels(context, instance):
        return None
    fields = command_fields(context, instance, "snapshot_instance")
    return Send(node_of(instance), SnapshotInstance(image_id=context.params["image_id"], **fields))


def discard_snapshot(session: Session, context: StepContext) -> Send | None:
    instance = instances.get(session, context.instance_id)
    if not _travels(context, instance):
        return None
    fields = command_fields(context, instance, "snapshot_instance")
    return Send(node_of(instance), DiscardSnapshot(image_id=context.params["image_id"], **fields))


def upload_snapshot(session: Session, context: StepContext) -> Send | None:
    instance, image_id = instances.get(session, context.instance_id), context.params["image_id"]
    if not _travels(context, instance):
        return None
    url, fields = image_url(image_id, context.config), command_fields(context, instance, "upload_snapshot")
    return Send(node_of(instance), UploadSnapshot(image_id=image_id, url=url, **fields))


def leave_node(session: Session, context: StepContext) -> Send | None:
    """Before the new node may have it, the old one has said that nothing can start it there any more."""
    if not _elsewhere(context):
        return None
    instance = instances.get(session, context.instance_id)
    fields = command_fields(context, instance, "leave_node")
    return Send(node_of(instance), EnsureAbsent(leave_disks=True, **fields))


def come_back(session: Session, context: StepContext) -> Send | None:
    """The old node takes orders about it again."""
    return _as_before(session, context, "leave_node", WantedPower.STOPPED) if _elsewhere(context) else None


def _nothing(_session: Session, _context: StepContext) -> None:
    """What has to be done between `move` and `leave_node` on the way back only."""


def export_back(session: Session, context: StepContext) -> Send | None:
    """The old node is to have the volumes that are served before it is told of the server."""
    return server_volumes.export_back(session, context) if _elsewhere(context) else None


def export_volumes(session: Session, context: StepContext) -> Send | None:
    return server_volumes.export(session, context) if _elsewhere(context) else None


def move(session: Session, context: StepContext) -> dict[str, Any]:
    instance, claimed = instances.get(session, context.instance_id), context.results["claim"]
    _task(session, context, TaskState.RESIZE_MIGRATED)
    image = _traveled(session, context, instance) if _travels(context, instance) else None
    epoch = resizes.move(session, instance, claimed["node_id"], claimed["node"], image, context.now)
    server_migrations.set_status(session, context.operation.id, MigrationStatus.POST_MIGRATING, context.now)
    server_volumes.move_exports(session, context, claimed["node"])
    return {"epoch": epoch}


def _traveled(session: Session, context: StepContext, instance: Instance) -> dict[str, Any]:
    """The image that the disk has become, with what the old one says of the guest's hardware."""
    row = session.get(Image, context.params["image_id"])
    assert row is not None
    kept: dict[str, Any] = {name: instance.image[name] for name in _SAID_OF_HARDWARE if name in instance.image}
    return {**images.copy_for_server(row), **kept}


def move_back(session: Session, context: StepContext) -> None:
    resizes.move_back(session, instances.get(session, context.instance_id), context.now, give_up=False)
    server_volumes.move_exports(session, context, node_of(instances.get(session, context.instance_id)))


def resize_instance(session: Session, context: StepContext) -> Send:
    instance = instances.get(session, context.instance_id)
    _task(session, context, TaskState.RESIZE_FINISH)
    spec = instance_spec.build(session, instance, context.config)
    power = WantedPower.RUNNING if _ran(context) else WantedPower.STOPPED
    kind = EnsureInstance if _elsewhere(context) else ResizeInstance
    return Send(node_of(instance), kind(spec=spec, power=power, **command_fields(context, instance, "resize_instance")))


def take_back(session: Session, context: StepContext) -> Send | None:
    instance = instances.get(session, context.instance_id)
    fields = command_fields(context, instance, "resize_instance")
    if not _elsewhere(context):
        return Send(node_of(instance), RestoreKeptDisks(**fields))
    if instance.epoch in context.absent_epochs():
        return None
    if instance.node_id is not None and node_life.is_cut_off(session, instance.node_id):
        hand_over(session, context, instance, with_ports=False)
        return None
    return Send(node_of(instance), EnsureAbsent(**fields))


def finish(session: Session, context: StepContext) -> dict[str, Any]:
    power = PowerState(context.results["resize_instance"].get("power", PowerState.UNKNOWN))
    end_action(session, context, power, launched_at=context.now, progress=100)
    server_migrations.set_status(session, context.operation.id, MigrationStatus.FINISHED, context.now)
    if _elsewhere(context):
        instance = instances.get(session, context.instance_id)
        ports.mark_active(session, instance.id, instance.epoch, context.now)
        network_state.touch_for_networks(session, {row.network_id for row in ports.for_instance(session, instance.id)})
        server_volumes.moved(session, instance, context.now)
        images.mark_deleted(session, context.params["image_id"], context.now)
    return {}


def unwound(session: Session, context: StepContext, error: dict[str, Any], cancelled: bool) -> None:
    """It is what it was."""
    _forget(session, context)
    ports.mark_active(
        session, context.instance_id, instances.get(session, context.instance_id, deleted=True).epoch, context.now
    )
    action_unwound(session, context, error, cancelled)


def stuck(session: Session, context: StepContext, error: dict[str, Any]) -> None:
    server_migrations.set_status(session, context.operation.id, MigrationStatus.ERROR, context.now)
    action_stuck(session, context, error)


def _forget(session: Session, context: StepContext) -> None:
    resizes.give_up(session, instances.get(session, context.instance_id, deleted=True), context.now)
    images.mark_deleted(session, context.params["image_id"], context.now)
    server_migrations.set_status(session, context.operation.id, MigrationStatus.ERROR, context.now)


def _task(session: Session, context: StepContext, task: TaskState) -> None:
    instances.set_task(session, context.instance_id, context.operation.id, task, context.now)


def _elsewhere(context: StepContext) -> bool:
    return bool(context.results["claim"]["elsewhere"])


def _travels(context: StepContext, instance: Instance) -> bool:
    """One that boots from a volume has no disk that would have to."""
    return _elsewhere(context) and not instance.image.get("volume_backed")


def _ran(context: StepContext) -> bool:
    return bool(context.params["from_vm_state"] == VmState.ACTIVE)
