"""Images through compute's own API (until 2.35): the same rows and rights as the image service's."""

from __future__ import annotations

from api.request import Services
from common.context import RequestContext
from common.db import images
from common.db.images import ImageFilter
from common.db.models import Image
from common.db.paging import Page


def list_page(services: Services, context: RequestContext, page: Page, name: str | None) -> list[Image]:
    """Raises InvalidRequest for an unknown marker."""
    wanted = ImageFilter(one_of={"name": [name]} if name is not None else {})
    with services.db.read() as session:
        return images.list_page(session, context, wanted, page)


def show(services: Services, context: RequestContext, image_id: str) -> Image:
    """Raises NotFound."""
    with services.db.read() as session:
        return images.get_visible(session, image_id, context)
