"""The volumes that a server is created with: placed beside it, waited for, its disks from then on, or given up.

The request has reserved those that were there and begun those that are to be made (volume_create waits for the node that
is chosen here). Rows of attachments that are not the server's disks yet are `reserved`.

Those that are served over NBD need not be beside it: new ones are placed by themselves (`apart`), and before the guest
is made each is exported to the node that was chosen.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy.orm import Session

from common.db import (
    node_life,
    nodes,
    volume_attachments,
    volume_exports,
    volume_services,
    volume_types,
    volumes,
)
from common.db.models import Instance, Volume, VolumeAttachment, VolumeExport
from common.db.nodes import Amounts
from common.errors import CloudError
from common.placement import volume_filters
from common.placement.request import PlacementRequest
from common.placement.view import NodeView
from common.saga.model import Outcome, Send, StepContext, Wait
from common.volume_capabilities import FILES, NBD, RBD, apart, node_gib
from common.volume_states import BY_ATTACHMENTS, AttachStatus, VolumeAction, VolumeStatus
from scheduler import volume_places
from scheduler.sagas.shared import asked_by
from scheduler.sagas.volume_disks import send_export

_POLL_S = 0.2
_BEING_MADE = (VolumeStatus.CREATING, VolumeStatus.DOWNLOADING)
_READY = BY_ATTACHMENTS | {VolumeStatus.AVAILABLE}
_WAITING = (AttachStatus.RESERVED, AttachStatus.ATTACHING)
EXPORT_VOLUMES, EXPORT_BACK = "export_volumes", "export_back"


class VolumeNotReady(CloudError):
    """A volume that a server was to have could not be made, or has gone."""

    code = "volume_not_ready"


def needed(context: StepContext) -> bool:
    return bool(context.params.get("volumes"))


def may_be_served(context: StepContext) -> bool:
    """False where nobody need look: of a server that is created without volumes."""
    return needed(context) or context.operation.kind != "server_create"


def unplaced(session: Session, context: StepContext) -> list[Volume]:
    """Those that are to be made where the server will be."""
    apart = context.params.get("apart_volumes", ())
    beside = [each for each in context.params.get("made_volumes", ()) if each not in apart]
    found = [volumes.get(session, each, deleted=True) for each in beside]
    return [volume for volume in found if volume.node_id is None and not volume.deleted]


def within_reach(session: Session, context: StepContext, request: PlacementRequest) -> PlacementRequest:
    """The request, for nodes that can have what others serve or what is in a pool, if the server is to have such volumes."""
    backends: set[str] = set()
    for volume_id in {
        *context.params.get("apart_volumes", ()),
        *(row.volume_id for row in _mine(session, context.instance_id)),
    }:
        volume = volumes.get(session, volume_id, deleted=True)
        if volume.node_id is not None:
            backends.add(volume.backend)
        elif volume_id in context.params.get("apart_volumes", ()):  # it will be one of these
            backends.update(apart(volume_types.specs_of(session, volume.volume_type_id)))
    reaching = {each: nodes.reaching(session, each) for each in sorted(backends - {FILES})}
    return replace(request, reaching=reaching) if reaching else request


def beside(session: Session, request: PlacementRequest, made: list[Volume]) -> PlacementRequest:
    """The request, with what the volumes ask of a node: room, what their types say, and the bytes they are made of."""
    if not made:
        return request
    specs: dict[str, str] = {}  # of all types; the guest opens files and images itself
    allowed = request.same_nodes
    for volume in made:
        specs.update(volume_types.specs_of(session, volume.volume_type_id))
        seeing = volume_places.seeing_source(session, volume)
        if seeing is not None:
            allowed = seeing if allowed is None else allowed & seeing
    specs.setdefault("volume_backend_name", f"<or> {FILES} <or> {RBD}")
    return replace(
        request, volume_gib=sum(volume.size_gib for volume in made), volume_specs=specs, same_nodes=allowed,
        closed_to_volumes=volume_services.closed_hosts(session),
    )  # fmt: skip


def claim(
    session: Session, context: StepContext, node: NodeView, made: list[Volume], request: PlacementRequest
) -> bool:
    """Claim the volumes' room on the server's node and place them there; False: it has not enough, and nothing is claimed.

    request: as of `beside`.
    """
    backend, claimed = volume_filters.backend_for(request, node) or FILES, list[Volume]()
    for volume in made:
        amounts = Amounts(vcpus=0, memory_mib=0, disk_gib=node_gib(backend, volume.size_gib))
        if not nodes.claim(
            session, consumer_id=volume.id, node_id=node.id, amounts=amounts, project_id=volume.project_id,
            user_id=volume.user_id, now=context.now, purpose=volumes.PURPOSE,
        ):  # fmt: skip
            for each in claimed:
                nodes.release(session, consumer_id=each.id, node_id=node.id, purpose=volumes.PURPOSE)
            return False
        claimed.append(volume)
    for volume in claimed:
        raw = volume.multiattach or backend == RBD
        disk_format = "raw" if raw else context.config.storage.volume_format
        volumes.place(session, volume, node.id, node.name, disk_format, context.now, backend=backend)
    return True


def attach(session: Session, context: StepContext) -> Outcome:
    """Wait until all are whole and nobody works on their bytes; then they are the server's disks, by exports where needed.

    Raises VolumeNotReady, Conflict.
    """
    rows = _mine(session, context.instance_id)
    for volume_id in context.params.get("made_volumes", ()):
        if volume_id not in {row.volume_id for row in rows}:
            raise VolumeNotReady(f"Block Device Mapping failed: volume {volume_id} is no longer the server's.")
    found = [volumes.get(session, row.volume_id, deleted=True) for row in rows]
    for volume in found:
        if volume.deleted or volume.status not in (*_READY, *_BEING_MADE):
            raise _not_ready(volume)
    if any(volume.status in _BEING_MADE for volume in found):
        return Wait(_POLL_S)
    held: list[str] = []
    for volume in sorted(found, key=lambda each: each.id):
        if not volumes.hold(session, volume.id, context.operation.id):
            for each in held:
                volumes.let_go(session, each, context.operation.id)
            return Wait(_POLL_S)
        held.append(volume.id)
    node_name = context.results["claim"]["node"]
    for row in rows:
        volume_attachments.move(
            session, row.id, _WAITING, AttachStatus.ATTACHED, context.now, attached_at=context.now,
            node_name=node_name, connector={"host": node_name, "instance": context.instance_id},
        )  # fmt: skip
        volumes.settle(session, row.volume_id, context.now)
    assign_exports(session, context, node_name)
    return {"volumes": held}


def assign_exports(session: Session, context: StepContext, node_name: str) -> None:
    """To the server's node, of each of its volumes that is served. Raises Conflict."""
    ports = context.config.storage.ports()
    for row in _mine(session, context.instance_id):
        volume = volumes.get(session, row.volume_id)
        if volume.backend == NBD:
            volume_exports.assign(session, volume, row.id, node_name, ports, context.now)


def release_exports(session: Session, context: StepContext) -> None:
    """Whoever could open the server's volumes can't any more, or not for long. Harmless when repeated."""
    for row in _mine(session, context.instance_id):
        volume_exports.release(session, row.id, asked_by(context), context.now)


def export(session: Session, context: StepContext) -> Send | None:
    """Have the next of the exports made; None: there are no more. Raises NodeSilent."""
    if not may_be_served(context):
        return None
    exports = _exports(session, context.instance_id)
    made = context.results.get(EXPORT_VOLUMES, {}).get("times", 0)
    return send_export(session, context, exports[made], EXPORT_VOLUMES) if made < len(exports) else None


def move_exports(session: Session, context: StepContext, node_name: str) -> None:
    """The server is this node's from now on, and so are its volumes. Harmless when repeated. Raises Conflict."""
    for row in _mine(session, context.instance_id):
        export = volume_exports.of_attachment(session, row.id)
        if export is not None and export.client_name != node_name:
            volume_exports.release(session, row.id, asked_by(context), context.now)
    assign_exports(session, context, node_name)


def export_back(session: Session, context: StepContext) -> Send | None:
    """In undo: have the next of the exports made for the node that the server is on again; None: there are no more.

    A node that is silent serves again what it has served when it is back.
    """
    down = node_life.down(session, context.now)
    exports = [each for each in _exports(session, context.instance_id) if each.node_id not in down]
    made = context.results.get(EXPORT_BACK, {}).get("undone", 0)
    return send_export(session, context, exports[made], EXPORT_BACK) if made < len(exports) else None


def _exports(session: Session, instance_id: str) -> list[VolumeExport]:
    found = [volume_exports.of_attachment(session, row.id) for row in _mine(session, instance_id)]
    return sorted((each for each in found if each is not None), key=lambda each: each.id)


def _not_ready(volume: Volume) -> VolumeNotReady:
    why = (volume.fault or {}).get("message", "")
    return VolumeNotReady(
        f"Block Device Mapping failed: volume {volume.id} did not become available, its status is"
        f" {'deleted' if volume.deleted else volume.status}.",
        detail=str((volume.fault or {}).get("detail", "")) or why,
    )


def reserve_again(session: Session, context: StepContext) -> None:
    """As before `attach`: spoken for, and no disks of a guest."""
    release_exports(session, context)
    for row in _mine(session, context.instance_id):
        volumes.let_go(session, row.volume_id, context.operation.id)
        volume_attachments.move(
            session, row.id, (AttachStatus.ATTACHED,), AttachStatus.RESERVED, context.now, attached_at=None,
            node_name="", connector={"instance": context.instance_id},
        )  # fmt: skip
        volumes.settle(session, row.volume_id, context.now)


def let_go(session: Session, context: StepContext) -> None:
    """The guest has them: others may have copies made of them again."""
    for volume_id in context.results.get("attach_volumes", {}).get("volumes", ()):
        volumes.let_go(session, volume_id, context.operation.id)


def give_up(session: Session, context: StepContext) -> None:
    """The server is not to be: its volumes are free, and those that were made for it go. Harmless when repeated."""
    made: list[str] = context.params.get("made_volumes", [])
    for row in _mine(session, context.instance_id):
        volumes.let_go(session, row.volume_id, context.operation.id)
        volume_attachments.end(session, row.id, context.now)
        volumes.settle(session, row.volume_id, context.now)
    for volume_id in made:
        volume = volumes.get(session, volume_id, deleted=True)
        if not volume.deleted and volume.status != VolumeStatus.DELETING:
            volumes.begin(session, volume, VolumeAction.FORCE_DELETE, asked_by(context), context.now)


def _mine(session: Session, instance_id: str) -> list[VolumeAttachment]:
    """Of the compute service's rows; others' records are none of its disks."""
    return [row for row in volume_attachments.of_instance(session, instance_id) if row.node_name is not None]


def moved(session: Session, instance: Instance, now: Any) -> None:
    """Say of the server's volumes that they are attached on its node."""
    for row in _mine(session, instance.id):
        if row.node_name != (instance.node_name or ""):
            volume_attachments.change(
                session, row.id, node_name=instance.node_name or "", updated_at=now,
                connector={"host": instance.node_name, "instance": instance.id},
            )  # fmt: skip
