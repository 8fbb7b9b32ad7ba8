"""Images: register, list, change, delete. Their bytes are uploads.py's and downloads.py's business."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from api.image.operations import stores
from api.image.operations.access import owned
from api.image.operations.stores import remove_everywhere, store_of
from api.image.schemas.images import (
    MAX_PROPERTIES,
    READ_ONLY,
    RESERVED,
    RESERVED_PREFIX,
    WRITABLE,
    attribute_schema,
)
from api.image.schemas.patch import Change
from api.request import Services
from api.schema import validate
from common import log
from common.context import RequestContext
from common.db import image_quota, images
from common.db.images import ImageFilter, ImageStatus, Visibility
from common.db.models import Image
from common.db.paging import Page
from common.errors import AlreadyExists, BodyTooLarge, Conflict, Forbidden, NotFound
from common.ids import new_id

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ShownImage:
    image: Image
    tags: Sequence[str]


def refuse_reserved(names: Mapping[str, Any] | Sequence[str]) -> None:
    """Raises Forbidden for attributes that only the service writes and for names that it keeps for itself."""
    for name in names:
        if name in READ_ONLY:
            raise Forbidden(f"Attribute '{name}' is read-only.")
        if name in RESERVED or name.startswith(RESERVED_PREFIX):
            raise Forbidden(f"Attribute '{name[:255]}' is reserved.")


def create(services: Services, context: RequestContext, body: Mapping[str, Any]) -> ShownImage:
    """Register an image without bytes; `body` is valid. Raises Forbidden, AlreadyExists, BodyTooLarge."""
    _require_project(context, "add_image")
    attributes = {name: body[name] for name in WRITABLE if name in body and name != "tags"}
    properties = {name: value for name, value in body.items() if name not in WRITABLE and name != "id"}
    _check_count(properties)
    owner = attributes.pop("owner", context.project_id)
    if owner != context.project_id and not context.is_admin:
        raise Forbidden(f"You are not permitted to create images owned by '{owner}'.")
    _check_visibility(attributes.get("visibility"), context)
    image_id = str(body.get("id") or new_id()).lower()
    tags = sorted(set(body.get("tags", [])))
    now = services.clock.now()

    def work(session: Session) -> ShownImage:
        if images.exists(session, image_id):
            raise AlreadyExists(f"Image ID {image_id} already exists!")
        image = Image(
            **{
                "id": image_id,
                "owner": owner,
                "status": ImageStatus.QUEUED,
                "visibility": Visibility.SHARED,
                "min_disk": 0,
                "min_ram": 0,
                "protected": False,
                "os_hidden": False,
                "created_at": now,
                "updated_at": now,
                **attributes,
                "properties": properties,
            }
        )
        image_quota.check(session, owner, services.config.cloud.region, {image_quota.COUNT_TOTAL: 1})
        images.add(session, image)
        images.add_tags(session, image_id, tags)
        return ShownImage(image, tags)

    shown = services.db.run(work)
    log.event(logger, "image.created", image_id=image_id, owner=owner)
    return shown


def show(services: Services, context: RequestContext, image_id: str) -> ShownImage:
    with services.db.read() as session:
        image = images.get_visible(session, image_id, context)
        return ShownImage(image, images.tags_of(session, [image.id])[image.id])


def list_page(services: Services, context: RequestContext, wanted: ImageFilter, page: Page) -> list[ShownImage]:
    """One page in two statements, whatever its size; none at all for limit 0. Raises Forbidden."""
    _require_project(context, "get_images")
    if page.limit == 0:
        return []
    with services.db.read() as session:
        found = images.list_page(session, context, wanted, page)
        tags = images.tags_of(session, [image.id for image in found])
    return [ShownImage(image, tags[image.id]) for image in found]


def update(services: Services, context: RequestContext, image_id: str, changes: Sequence[Change]) -> ShownImage:
    """Apply a patch, whole or not at all. Raises NotFound, Forbidden, Conflict, InvalidRequest, BodyTooLarge."""
    now = services.clock.now()

    def work(session: Session) -> ShownImage:
        image = owned(session, image_id, context, "modify")
        session.refresh(image, with_for_update=True)
        if image.status == ImageStatus.DELETED:
            raise NotFound(f"No image found with ID {image_id}")
        for change in changes:
            refuse_reserved([change.name])
            if change.name == "id":
                raise Forbidden("Attribute 'id' is read-only.")
            if change.name in WRITABLE:
                _change_attribute(session, image, change, context)
            else:
                _change_property(image, change)
        _check_count(image.properties)
        if changes:
            image.updated_at = now
        session.flush()
        return ShownImage(image, images.tags_of(session, [image.id])[image.id])

    return services.db.run(work)


def _change_attribute(session: Session, image: Image, change: Change, context: RequestContext) -> None:
    if change.op == "remove":
        raise Forbidden(f"Property {change.name} may not be removed.")
    validate({change.name: change.value}, attribute_schema(change.name))
    if change.name == "tags":
        images.set_tags(session, image.id, change.value)
        return
    if change.name == "visibility":
        _check_visibility(change.value, context, before=image.visibility)
    if change.name == "owner" and change.value != image.owner and not context.is_admin:
        raise Forbidden("You are not permitted to change the owner of this image.")
    if (
        change.name in ("disk_format", "container_format")
        and image.status != ImageStatus.QUEUED
        and change.value != getattr(image, change.name)
    ):
        raise Forbidden(f"Attribute {change.name} can be only replaced for a queued image.")
    setattr(image, change.name, change.value)


def _change_property(image: Image, change: Change) -> None:
    if change.op != "add" and change.name not in image.properties:
        raise Conflict(f"Property {change.name[:255]} does not exist.")
    rest = {name: value for name, value in image.properties.items() if name != change.name}
    if change.op == "remove":
        image.properties = rest
        return
    validate({change.name: change.value}, attribute_schema(change.name))
    image.properties = {**rest, change.name: change.value}


def delete(services: Services, context: RequestContext, image_id: str) -> None:
    """The row first, then the bytes: what fails between is cleaned up at the next start. Raises NotFound, Forbidden."""
    now = services.clock.now()

    def work(session: Session) -> tuple[str, str | None]:
        image = owned(session, image_id, context, "delete")
        waiting = image.upload_id if image.status in (ImageStatus.UPLOADING, ImageStatus.IMPORTING) else None
        if image.protected:
            raise Forbidden(f"Image {image.id} is protected and cannot be deleted.")
        if not images.mark_deleted(session, image.id, now):
            raise Conflict(f"Image {image.id} changed while it was being deleted; try again.")
        return image.id, waiting

    deleted_id, waiting = services.db.run(work)
    remove_everywhere(services, deleted_id)
    if waiting is not None:
        store_of(services).discard(waiting)
    log.event(logger, "image.deleted", image_id=deleted_id)


def delete_from_store(services: Services, context: RequestContext, store_id: str, image_id: str) -> None:
    """Take an image's bytes from one of several stores. Raises NotFound, Forbidden (the last one), Conflict (not active)."""
    known = stores.stores_of(services)
    if store_id not in known:
        raise Conflict(f"The selected store {store_id[:64]} is not available.")
    now = services.clock.now()

    def work(session: Session) -> str:
        image = owned(session, image_id, context, "delete data of")
        session.refresh(image, with_for_update=True)
        if image.status != ImageStatus.ACTIVE or image.import_task_id is not None:
            raise Conflict("It's not allowed to remove image data from store if image status is not 'active'")
        here = stores.ids(image.stores)
        if store_id not in here:
            raise NotFound(f"Image {image.id} is not stored in store {store_id}.")
        if len(here) == 1:
            raise Forbidden(
                "Cannot delete image data from the only store containing it. Consider deleting the image instead."
            )
        image.stores = stores.text_of(name for name in here if name != store_id)
        image.updated_at = now
        return image.id

    known[store_id].remove(services.db.run(work))
    log.event(logger, "image.deleted_from_store", image_id=image_id, store=store_id)


def set_active(services: Services, context: RequestContext, image_id: str, active: bool) -> None:
    """Deactivate or reactivate; repeating it changes nothing. Raises NotFound, Forbidden."""
    verb, to = ("reactivate", ImageStatus.ACTIVE) if active else ("deactivate", ImageStatus.DEACTIVATED)
    now = services.clock.now()

    def work(session: Session) -> None:
        image = owned(session, image_id, context, verb)
        if not images.set_status(session, image.id, (ImageStatus.ACTIVE, ImageStatus.DEACTIVATED), to, now):
            raise Forbidden(f"Not allowed to {verb} image in status '{image.status}'")

    services.db.run(work)
    log.event(logger, f"image.{verb}d", image_id=image_id)


def _require_project(context: RequestContext, action: str) -> None:
    """Images belong to projects: a token for the system or a domain has none to keep one in."""
    if context.project_id is None:
        raise Forbidden(f"You are not authorized to complete {action} action: it needs a token for a project.")


def _check_visibility(wanted: str | None, context: RequestContext, before: str = "") -> None:
    if wanted == Visibility.PUBLIC and before != Visibility.PUBLIC and not context.is_admin:
        raise Forbidden("You are not authorized to complete publicize_image action.")


def _check_count(properties: Mapping[str, str]) -> None:
    if len(properties) > MAX_PROPERTIES:
        raise BodyTooLarge(
            "The limit has been exceeded on the number of allowed image properties. "
            f"Attempted: {len(properties)}, Maximum: {MAX_PROPERTIES}"
        )
