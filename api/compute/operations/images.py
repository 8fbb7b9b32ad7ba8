"""Images through compute's own API (until 2.35): the same rows and rights as the image service's."""

from __future__ import annotations

from collections.abc import Mapping

from api.image.operations import images as image_operations
from api.image.schemas.patch import Change
from api.request import Services
from common.context import RequestContext
from common.db import images
from common.db.images import ImageFilter
from common.db.models import Image
from common.db.paging import Page
from common.errors import NotFound


def list_page(services: Services, context: RequestContext, page: Page, wanted: ImageFilter | None) -> list[Image]:
    """`wanted` None: nothing. Raises InvalidRequest for an unknown marker."""
    if wanted is None:
        return []
    with services.db.read() as session:
        return images.list_page(session, context, wanted, page)


def show(services: Services, context: RequestContext, image_id: str) -> Image:
    """Raises NotFound."""
    with services.db.read() as session:
        return images.get_visible(session, image_id, context)


def delete(services: Services, context: RequestContext, image_id: str) -> None:
    """Raises NotFound, Forbidden."""
    image_operations.delete(services, context, image_id)


def set_metadata(
    services: Services, context: RequestContext, image_id: str, items: Mapping[str, str], *, replace: bool
) -> Image:
    """Merge items in, or make them all there is. Raises NotFound, Forbidden."""
    gone = set(show(services, context, image_id).properties) - set(items) if replace else set()
    changes = [Change("remove", key) for key in sorted(gone)]
    changes += [Change("add", key, value) for key, value in items.items()]
    return image_operations.update(services, context, image_id, changes).image


def delete_item(services: Services, context: RequestContext, image_id: str, key: str) -> None:
    """Raises NotFound for the image or the key, Forbidden."""
    if key not in show(services, context, image_id).properties:
        raise no_item()
    image_operations.update(services, context, image_id, [Change("remove", key)])


def no_item() -> NotFound:
    return NotFound("Metadata item was not found")
