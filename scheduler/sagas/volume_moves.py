"""What retype and migration of volumes have in common: choosing a place, bringing the bytes there, the switch.

Between nodes the volume's node serves its file, read-only, to the other one (docs/volumes.md), which copies it, compares
the two, and only then gives its file the volume's name. Where both see one folder, or only the format changes, one node
does it alone, or nothing need be copied; so does the node that a volume comes to from a Ceph pool, which it reaches. The
file that the volume was is removed after the switch, by an operation of its own (volume_remove_copy).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy.orm import Session

from common.db import (
    node_life,
    nodes,
    volume_attachments,
    volume_exports,
    volume_moves,
    volume_services,
    volume_types,
    volumes,
)
from common.db.models import Volume
from common.db.nodes import Amounts
from common.db.volume_moves import Place
from common.deadlines import EXPORT_S, MOVE_VOLUME_S
from common.errors import NoValidNode, StateConflict
from common.placement import volume_filters
from common.placement.request import PlacementRequest
from common.placement.view import NodeView
from common.rpc.volume_commands import DiscardVolumeFile, ExportVolume, TakeOverVolume
from common.saga.model import Local, Outcome, Remote, Send, Step, StepContext
from common.volume_capabilities import FILES, RBD, asks_for, node_gib
from scheduler import volume_places
from scheduler.instance_spec import export_of
from scheduler.sagas.shared import NodeSilent, asked_by, report_error
from scheduler.sagas.volume_disks import forget_export, withdraw_export
from scheduler.sagas.volume_shared import command_fields

CHOOSE = "choose_place"
_LEFT = "copy_left"


class Way(StrEnum):
    """How a volume comes to its new place: not at all, by a claim alone, by a local copy, by a copy between nodes."""

    STAYS = "stays"
    CLAIM = "claim"
    CONVERT = "convert"
    COPY = "copy"


@dataclass(frozen=True)
class Wish:
    """What is asked of the place. raw: only a raw file will do. host: NODE@BACKEND, or a node alone; "": any."""

    specs: dict[str, str]
    raw: bool
    host: str = ""


def steps() -> tuple[Step, ...]:
    """After the step CHOOSE, whose result is of `chosen`."""
    return (
        Local("assign_export", do=assign_export, undo=forget_export),
        Remote("export_volume", do=export_volume, undo=withdraw_export, failed=report_error, deadline_s=EXPORT_S),
        Remote("take_over_volume", do=take_over, undo=discard_copy, failed=report_error, deadline_s=MOVE_VOLUME_S),
    )


def chosen(place: Place, way: Way) -> dict[str, Any]:
    return asdict(place) | {"way": way}


def _way(context: StepContext) -> tuple[Place, Way]:
    found = {**context.results[CHOOSE]}
    return Place(**{key: found[key] for key in Place.__dataclass_fields__}), Way(found["way"])


def present_place(volume: Volume) -> Place:
    """Raises StateConflict."""
    place = volume_moves.place_of(volume)
    if place is None:
        raise StateConflict(f"Volume {volume.id} is on no node: its creation failed.")
    return place


def stays(session: Session, context: StepContext, volume: Volume, wish: Wish) -> str | None:
    """Why it can't stay on its node and back end, in a sentence; None: it can."""
    here = present_place(volume)
    view = next((each for each in context.placement.current(session, context.now) if each.id == here.node_id), None)
    if view is None:
        return f"node {here.node_name} is no compute node any more"
    return volume_filters.unmet_by(wish.specs, view, here.backend)


def convert_here(session: Session, context: StepContext, volume: Volume) -> dict[str, Any]:
    """As raw, where it is; its room is claimed a second time for as long. Raises NoValidNode, StateConflict."""
    here = present_place(volume)
    if here.disk_format == "raw":
        return chosen(here, Way.STAYS)
    _refuse_attached(session, volume)
    _claim_here(session, context, volume, here.backend)
    return chosen(Place(here.node_id, here.node_name, here.backend, "raw"), Way.CONVERT)


def choose_elsewhere(session: Session, context: StepContext, volume: Volume, wish: Wish) -> dict[str, Any]:
    """Another back end of its node, else another node. Raises NoValidNode, StateConflict."""
    here = present_place(volume)
    _refuse_attached(session, volume)
    if volumes.has_snapshots(session, volume.id):
        raise StateConflict(f"Volume {volume.id} has snapshots, which stay where they are: delete them first.")
    if (backend := _other_backend(session, context, volume, wish)) is not None:
        disk_format = _format(volume, wish, backend)
        if disk_format == here.disk_format and RBD not in (backend, here.backend):
            return chosen(Place(here.node_id, here.node_name, backend, disk_format), Way.STAYS)
        _claim_here(session, context, volume, backend)
        return chosen(Place(here.node_id, here.node_name, backend, disk_format), Way.CONVERT)
    node_name, _, backend = wish.host.partition("@")
    node = volume_places.claim(
        session, context, consumer_id=volume.id, purpose=volume_moves.PURPOSE, size_gib=volume.size_gib,
        project_id=volume.project_id, zone=volume.availability_zone, only_on=node_name or None,
        other_nodes=volume_moves.being_cleared(session, volume.id) | {here.node_id}, specs=wish.specs,
        closed=_others_of(session, context, node_name, backend),
        same_nodes=nodes.reaching(session, RBD) if here.backend == RBD else None,
    )  # fmt: skip
    there = Place(node.id, node.name, node.backend, _format(volume, wish, node.backend))
    if here.backend == RBD:  # which the other node reaches itself
        return chosen(there, Way.CLAIM if there.backend == RBD else Way.CONVERT)
    if not (volume_places.is_shared(session, here.node_id) and volume_places.is_shared(session, node.id)):
        return chosen(there, Way.COPY)
    stays = there.backend != RBD and there.disk_format == here.disk_format
    return chosen(there, Way.CLAIM if stays else Way.CONVERT)


def _refuse_attached(session: Session, volume: Volume) -> None:
    for attachment in volume_attachments.of_volume(session, volume.id):
        raise StateConflict(f"Volume {volume.id} is attached to server {attachment.instance_id}; detach it first.")


def _format(volume: Volume, wish: Wish, backend: str) -> str:
    """In a raw file lies what a storage daemon has said is written (volume_create)."""
    return "raw" if wish.raw or backend != FILES else volume.disk_format


def _other_backend(session: Session, context: StepContext, volume: Volume, wish: Wish) -> str | None:
    """Of the node that it is on, if that is not excluded by the wish; None: none will do."""
    here = present_place(volume)
    node_name, _, asked = wish.host.partition("@")
    if node_name not in ("", here.node_name):
        return None
    closed = {f"{here.node_name}@{here.backend}": "the volume is there"}
    closed |= volume_services.closed_hosts(session) | _others_of(session, context, node_name, asked)
    request = PlacementRequest(
        instance_id=volume.id, amounts=Amounts(0, 0, 0), volume_specs=wish.specs, closed_to_volumes=closed
    )
    views = [each for each in context.placement.current(session, context.now) if each.id == here.node_id]
    return volume_filters.backend_for(request, views[0]) if views else None


def _others_of(session: Session, context: StepContext, node_name: str, backend: str) -> dict[str, str]:
    """The back ends of a node that were not asked for, as if they were closed."""
    views: list[NodeView] = context.placement.current(session, context.now) if backend else []
    return {
        f"{view.name}@{each}": "not the one that was asked for"
        for view in views
        if view.name == node_name
        for each in view.volume_backends
        if each != backend
    }


def _claim_here(session: Session, context: StepContext, volume: Volume, backend: str) -> None:
    """Of the back end that it is to be of."""
    here = present_place(volume)
    amounts = Amounts(vcpus=0, memory_mib=0, disk_gib=node_gib(backend, volume.size_gib))
    if here.node_id in volume_moves.being_cleared(session, volume.id) or not nodes.claim(
        session, consumer_id=volume.id, node_id=here.node_id, amounts=amounts, project_id=volume.project_id,
        user_id=context.operation.user_id, now=context.now, purpose=volume_moves.PURPOSE,
    ):  # fmt: skip
        raise NoValidNode(
            f"Node {here.node_name} has no room for a second copy of volume {volume.id}, of {volume.size_gib} GiB.",
            node=here.node_name,
        )


def assign_export(session: Session, context: StepContext) -> Outcome:
    """Raises Conflict."""
    to, way = _way(context)
    if way is not Way.COPY:
        return {}
    volume = volumes.get(session, context.params["volume_id"])
    ports = context.config.storage.ports()
    export = volume_exports.assign(session, volume, context.operation.id, to.node_name, ports, context.now)
    return {"port": export.port}


def export_volume(session: Session, context: StepContext) -> Send | None:
    """None: no other node has to read it. Raises NodeSilent, StateConflict."""
    export = volume_exports.of_attachment(session, context.operation.id)
    if export is None:
        return None
    volume = volumes.get(session, export.volume_id, deleted=True)
    if node_life.is_down(session, export.node_id, context.now):
        raise NodeSilent("The node that has the volume does not answer.", node=volume.node_name)
    common, about = command_fields(context, volume, "export_volume")
    command = ExportVolume(
        disk_format=volume.disk_format, export=export_of(session, export), client_name=export.client_name,
        read_only=True, **common, **about,
    )  # fmt: skip
    return Send(volume.node_name or "", command)


def take_over(session: Session, context: StepContext) -> Send | None:
    """None: no bytes have to be copied. Raises NodeSilent."""
    to, way = _way(context)
    if way not in (Way.COPY, Way.CONVERT):
        return None
    if node_life.is_down(session, to.node_id, context.now):
        raise NodeSilent("The node that the volume is to come to does not answer.", node=to.node_name)
    volume = volumes.get(session, context.params["volume_id"])
    export = volume_exports.of_attachment(session, context.operation.id)
    common, about = command_fields(context, volume, "take_over_volume")
    about["backend"] = to.backend
    command = TakeOverVolume(
        disk_format=to.disk_format, source_format=volume.disk_format, source_backend=volume.backend,
        size_gib=volume.size_gib, shareable=_for_several(session, context, volume),
        export=export_of(session, export) if export else None, **common, **about,
    )  # fmt: skip
    return Send(to.node_name, command)


def _for_several(session: Session, context: StepContext, volume: Volume) -> bool:
    type_id = context.params.get("type_id")
    return asks_for(volume_types.specs_of(session, type_id), "multiattach") if type_id else volume.multiattach


def discard_copy(session: Session, context: StepContext) -> Send | None:
    """None also when the node is silent: then what is there is left to an operation that waits for it (`give_up`)."""
    to, way = _way(context)
    if way not in (Way.COPY, Way.CONVERT):
        return None
    if node_life.is_down(session, to.node_id, context.now):
        context.results[_LEFT] = True
        return None
    volume = volumes.get(session, context.params["volume_id"], deleted=True)
    common, about = command_fields(context, volume, "take_over_volume")
    about["backend"] = to.backend
    return Send(to.node_name, DiscardVolumeFile(disk_format=to.disk_format, taken_over=True, **common, **about))


def give_up(session: Session, context: StepContext) -> None:
    """The undo of CHOOSE: the second claim goes, or is that of what is left on a silent node."""
    if context.results.get(_LEFT):
        leave(session, context)
    volume_moves.release(session, context.params["volume_id"])


def leave(session: Session, context: StepContext) -> None:
    """Nobody knows what is on the node that the volume was to come to."""
    if CHOOSE in context.results:
        volume = volumes.get(session, context.params["volume_id"], deleted=True)
        to, _ = _way(context)
        volume_moves.begin_removal(session, volume, to, asked_by(context), context.now, taken_over=True)


def finish(session: Session, context: StepContext) -> dict[str, Any]:
    """The switch; what the volume's row says besides, about how it came there."""
    volume = volumes.get(session, context.params["volume_id"])
    (to, way), was = _way(context), present_place(volume)
    if to == was:
        return {}
    volume_moves.switch(session, volume, to, context.now)
    if way in (Way.COPY, Way.CONVERT):
        export = volume_exports.of_attachment(session, context.operation.id)
        volume_moves.begin_removal(
            session, volume, was, asked_by(context), context.now, export_id=export.id if export else ""
        )
    else:
        volume_moves.release(session, volume.id)
    return {"migration_status": "success"} if (to.node_id, to.backend) != (was.node_id, was.backend) else {}


def failed(session: Session, context: StepContext) -> None:
    """Say so of a volume that was on its way, or was to be."""
    volume = volumes.get(session, context.params["volume_id"], deleted=True)
    if volume.migration_status == "migrating":
        volume_moves.set_migration_status(session, volume.id, "error")


def stuck(session: Session, context: StepContext) -> None:
    """Undo gave up: others remove copy and export when the nodes can be asked."""
    leave(session, context)
    volume_moves.release(session, context.params["volume_id"])
    export = volume_exports.of_attachment(session, context.operation.id)
    if export is not None:
        volume_exports.begin_withdrawal(session, export, asked_by(context), context.now)
    failed(session, context)
