"""Actions on a volume: POST …/volumes/{id}/action with one key."""

from __future__ import annotations

from typing import Any

from api.compute.views.fields import micros
from api.microversion import Microversion
from api.request import ApiRequest, Reply
from api.schema import Schema, as_boolean, validate
from api.volume.operations import attachments, volume_actions, volume_moves, volumes
from api.volume.schemas import volume_actions as schemas
from common.errors import InvalidRequest
from common.volume_states import VolumeStatus

ACCEPTED = Reply(status=202)


def _given(request: ApiRequest, schema: Schema) -> dict[str, Any]:
    validate(request.body, schema)
    found: dict[str, Any] = next(iter(request.body.values()))
    return found


def extend(request: ApiRequest, volume_id: str) -> Reply:
    size_gib = int(_given(request, schemas.EXTEND)["new_size"])
    attached = request.version >= Microversion(3, 42)
    volume_actions.extend(request.services, request.context, volume_id, size_gib, attached=attached)
    return ACCEPTED


def revert(request: ApiRequest, volume_id: str) -> Reply:
    snapshot_id = _given(request, schemas.REVERT)["snapshot_id"]
    volume_actions.revert(request.services, request.context, volume_id, snapshot_id)
    return ACCEPTED


def retype(request: ApiRequest, volume_id: str) -> Reply:
    given = _given(request, schemas.RETYPE)
    on_demand = given.get("migration_policy") == "on-demand"
    volume_moves.retype(request.services, request.context, volume_id, given["new_type"], on_demand=on_demand)
    return ACCEPTED


def migrate(request: ApiRequest, volume_id: str) -> Reply:
    given = _given(request, schemas.MIGRATE_316 if request.version >= Microversion(3, 16) else schemas.MIGRATE)
    if given.get("cluster") or not given.get("host"):
        raise InvalidRequest("Invalid host: name a host, as NODE@BACKEND#POOL; there are no clusters of them here.")
    copied = as_boolean(given.get("force_host_copy", False))
    volume_moves.migrate(request.services, request.context, volume_id, given["host"], copied=copied)
    return ACCEPTED


def complete_migration(request: ApiRequest, volume_id: str) -> Reply:
    given = _given(request, schemas.MIGRATION_COMPLETION)
    volume_moves.complete(request.services, request.context, volume_id, given["new_volume"])
    return ACCEPTED


def force_delete(request: ApiRequest, volume_id: str) -> Reply:
    volumes.delete(request.services, request.context, volume_id, forced=True)
    return ACCEPTED


def reset_status(request: ApiRequest, volume_id: str) -> Reply:
    given = _given(request, schemas.RESET_STATUS)
    volume_actions.reset_status(
        request.services, request.context, volume_id, status=given.get("status"),
        attach_status=given.get("attach_status"), migration_status=given.get("migration_status"),
        says_migration="migration_status" in given,
    )  # fmt: skip
    return ACCEPTED


def set_bootable(request: ApiRequest, volume_id: str) -> Reply:
    bootable = as_boolean(_given(request, schemas.SET_BOOTABLE)["bootable"])
    volume_actions.set_bootable(request.services, request.context, volume_id, bootable)
    return Reply(status=200)


def set_read_only(request: ApiRequest, volume_id: str) -> Reply:
    read_only = as_boolean(_given(request, schemas.READ_ONLY)["readonly"])
    volume_actions.set_read_only(request.services, request.context, volume_id, read_only)
    return ACCEPTED


def set_image_metadata(request: ApiRequest, volume_id: str) -> Reply:
    items = _given(request, schemas.SET_IMAGE_METADATA)["metadata"]
    return Reply({"metadata": volume_actions.set_image_metadata(request.services, request.context, volume_id, items)})


def unset_image_metadata(request: ApiRequest, volume_id: str) -> Reply:
    key = _given(request, schemas.UNSET_IMAGE_METADATA)["key"]
    volume_actions.unset_image_metadata(request.services, request.context, volume_id, key)
    return Reply(status=200)


def show_image_metadata(request: ApiRequest, volume_id: str) -> Reply:
    found = volumes.show(request.services, request.context, volume_id).volumes[0]
    return Reply({"metadata": dict(found.image_properties)})


def upload_image(request: ApiRequest, volume_id: str) -> Reply:
    given = _given(request, schemas.UPLOAD_IMAGE)
    volume, image = volume_actions.upload(
        request.services, request.context, volume_id, name=given["image_name"],
        image_format=given.get("disk_format") or "raw", visibility=given.get("visibility") or "private",
        protected=as_boolean(given.get("protected", False)), forced=as_boolean(given.get("force", False)),
    )  # fmt: skip
    body: dict[str, Any] = {
        "id": volume.id, "updated_at": micros(volume.updated_at), "status": volume.status,
        "display_description": volume.description, "size": volume.size_gib, "volume_type": None,
        "image_id": image.id, "container_format": image.container_format, "disk_format": image.disk_format,
        "image_name": image.name,
    }  # fmt: skip
    if request.version >= Microversion(3, 1):
        body |= {"visibility": image.visibility, "protected": image.protected}
    return Reply({"os-volume_upload_image": body}, 202)


def attach(request: ApiRequest, volume_id: str) -> Reply:
    given = _given(request, schemas.ATTACH)
    attachments.attach_by_record(
        request.services, request.context, volume_id, instance_id=given.get("instance_uuid"),
        mountpoint=given.get("mountpoint"), host_name=given.get("host_name"), mode=given.get("mode") or "rw",
    )  # fmt: skip
    return ACCEPTED


def detach(request: ApiRequest, volume_id: str) -> Reply:
    given = _given(request, schemas.DETACH)
    attachments.detach_by_record(request.services, request.context, volume_id, given.get("attachment_id"))
    return ACCEPTED


def force_detach(request: ApiRequest, volume_id: str) -> Reply:
    given = _given(request, schemas.FORCE_DETACH)
    chosen = given.get("attachment_id")
    attachments.detach_by_record(request.services, request.context, volume_id, chosen, forced=True)
    return ACCEPTED


def reserve(request: ApiRequest, volume_id: str) -> Reply:
    starts = (VolumeStatus.AVAILABLE,)
    attachments.move(request.services, request.context, volume_id, starts, VolumeStatus.ATTACHING)
    return ACCEPTED


def unreserve(request: ApiRequest, volume_id: str) -> Reply:
    starts = (VolumeStatus.ATTACHING, VolumeStatus.RESERVED)
    attachments.move(request.services, request.context, volume_id, starts, VolumeStatus.AVAILABLE)
    return ACCEPTED


def begin_detaching(request: ApiRequest, volume_id: str) -> Reply:
    starts = (VolumeStatus.IN_USE,)
    attachments.move(request.services, request.context, volume_id, starts, VolumeStatus.DETACHING)
    return ACCEPTED


def roll_detaching(request: ApiRequest, volume_id: str) -> Reply:
    starts = (VolumeStatus.DETACHING,)
    attachments.move(request.services, request.context, volume_id, starts, VolumeStatus.IN_USE)
    return ACCEPTED


def connect(request: ApiRequest, volume_id: str) -> Reply:
    """What somebody needs to attach it by themselves: here only Cumulet's own agents can, and they are told by the bus."""
    _given(request, schemas.CONNECT)
    volume = volumes.show(request.services, request.context, volume_id).volumes[0]
    mode = "ro" if volume.read_only else "rw"
    data = {"volume_id": volume.id, "access_mode": mode, "encrypted": False, "discard": True}
    return Reply({"connection_info": {"driver_volume_type": "cumulet", "data": data}})


def disconnect(request: ApiRequest, volume_id: str) -> Reply:
    _given(request, schemas.DISCONNECT)
    attachments.disconnect(request.services, request.context, volume_id)
    return ACCEPTED
