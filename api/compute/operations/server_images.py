"""Images made of servers: the image is registered with the operation that has the node make its bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy.orm import Session

from api.compute.operations import server_volume_images
from api.compute.operations.quota_defaults import defaults
from api.compute.operations.server_actions import begun, check_node
from api.compute.operations.server_create import check_metadata
from api.compute.operations.servers import check_not_locked
from api.image.schemas.images import READ_ONLY, RESERVED, RESERVED_PREFIX, WRITABLE
from api.request import Services
from common.context import RequestContext
from common.db import image_quota, images, instances
from common.db.images import ImageStatus, Visibility
from common.db.models import Image, Instance
from common.errors import InvalidRequest
from common.ids import new_id
from common.states import Action

SNAPSHOT, BACKUP = "snapshot", "backup"
_YES = ("yes", "true", "1")
#: properties of the image a server was made from that say nothing of an image made of it
_NOT_INHERITED = ("cache_in_nova", "bittorrent", "os_hash", "stores", "signature_verified")
_NOT_INHERITED_PREFIXES = ("img_signature", "os_glance", "owner_specified.")
#: what an earlier image of a server says of itself
_SAID_ANEW = (
    "backup_type", "base_image_ref", "image_location", "image_state", "image_type", "instance_uuid", "owner_id",
    "user_id",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class NewImage:
    """backup_type and rotation: of a backup, with how many of that type are kept."""

    name: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    backup_type: str | None = None
    rotation: int = 0


def create(services: Services, context: RequestContext, server_id: str, wanted: NewImage) -> str:
    """Begin to make an image of the root disk; its id. Raises NotFound, Conflict, StateConflict, InvalidRequest."""
    action = Action.CREATE_IMAGE if wanted.backup_type is None else Action.CREATE_BACKUP
    return _create(services, context, server_id, action, wanted)


def shelve(services: Services, context: RequestContext, server_id: str) -> None:
    """Begin to shelve a server, which leaves an image of it. Raises NotFound, Conflict, StateConflict."""
    _create(services, context, server_id, Action.SHELVE, NewImage(name=""))


def _create(services: Services, context: RequestContext, server_id: str, action: Action, wanted: NewImage) -> str:
    others: list[str] = []  # operations that are begun beside it

    def work(session: Session) -> tuple[str, str]:
        now = services.clock.now()
        instance = instances.get_visible(session, server_id, context)
        check_not_locked(instance, context)
        check_node(session, instance, action, now)
        known = defaults(services.config.quota)
        check_metadata(session, instance.project_id, instance.user_id, wanted.metadata, known)
        image_quota.check(session, instance.project_id, services.config.cloud.region, {image_quota.COUNT_TOTAL: 1})
        image_id = new_id()
        params = _params(instance, image_id, wanted)
        if instance.image.get("volume_backed"):
            others[:] = _on_volume(session, services, context, instance, action, params, wanted)
        if params["image_id"]:
            named = wanted if wanted.name else replace(wanted, name=f"{instance.name}-shelved"[:255])
            image = _image(session, instance, context, image_id, named, now)
            if instance.image.get("volume_backed"):
                server_volume_images.describe(session, image, instance, params["snapshots"])
            images.add(session, image)
        operation_id = instances.begin(session, instance, action, context, now, params).id
        return operation_id, image_id

    image_id = begun(services, action, work)
    for operation_id in others:
        services.bus.hint(operation_id)
    return image_id


def _on_volume(
    session: Session, services: Services, context: RequestContext, instance: Instance, action: Action,
    params: dict[str, Any], wanted: NewImage,
) -> list[str]:  # fmt: skip
    """Of a server that boots from a volume an image has no bytes; shelving it needs none. Changes `params`.

    The operations that make the snapshots which stand for the bytes. Raises InvalidRequest, QuotaExceeded.
    """
    if action == Action.CREATE_BACKUP:
        raise InvalidRequest("Backup is not supported for volume-backed instances.")
    if action == Action.SHELVE:
        params |= {"image_id": None, "volume_backed": True}
        return []
    snapshots, begun_too = server_volume_images.snapshots(session, services, context, instance, wanted.name)
    params |= {"snapshots": snapshots, "volume_backed": True}
    return begun_too


def _params(instance: Instance, image_id: str, wanted: NewImage) -> dict[str, Any]:
    quiesce = str(instance.image.get("properties", {}).get("os_require_quiesce", "")).lower() in _YES
    params: dict[str, Any] = {"image_id": image_id, "quiesce": quiesce}
    if wanted.backup_type is not None:
        params |= {"backup_type": wanted.backup_type, "rotation": wanted.rotation}
    return params


def _image(
    session: Session, instance: Instance, context: RequestContext, image_id: str, wanted: NewImage, now: Any
) -> Image:
    base = session.get(Image, instance.image_id) if instance.image_id else None
    known = dict(base.properties) if base is not None else dict(instance.image.get("properties", {}))
    properties = {name: str(value) for name, value in known.items() if _is_inherited(name)}
    _check_names(wanted.metadata)
    properties |= dict(wanted.metadata) | {
        "base_image_ref": instance.image_id or "", "image_location": "snapshot", "image_state": "available",
        "instance_uuid": instance.id, "owner_id": instance.project_id, "user_id": context.user_id or instance.user_id,
    }  # fmt: skip
    if wanted.backup_type is None:
        properties.setdefault("image_type", SNAPSHOT)  # whoever makes an image may call it something else
    else:  # what backups are counted by, so that the oldest can go
        properties |= {"image_type": BACKUP, "backup_type": wanted.backup_type}
    root_gib = int(instance.flavor.get("root_gib", 0))
    return Image(
        id=image_id, name=wanted.name, owner=instance.project_id, status=ImageStatus.QUEUED,
        visibility=Visibility.PRIVATE, disk_format="qcow2", container_format="bare",
        min_disk=max(int(instance.image.get("min_disk", 0)), root_gib), min_ram=int(instance.image.get("min_ram", 0)),
        protected=False, os_hidden=False, properties=properties, created_at=now, updated_at=now,
    )  # fmt: skip


def _is_inherited(name: str) -> bool:
    return not name.startswith(_NOT_INHERITED_PREFIXES) and name not in (*_NOT_INHERITED, *_SAID_ANEW)


def _check_names(metadata: Mapping[str, str]) -> None:
    """Raises InvalidRequest for names that are attributes of every image, or the image service's own."""
    for name in metadata:
        if name in (*WRITABLE, *READ_ONLY, *RESERVED, "id") or name.startswith(RESERVED_PREFIX):
            raise InvalidRequest(f"Invalid input for field/attribute metadata. {name[:80]!r} can't be set so.")
