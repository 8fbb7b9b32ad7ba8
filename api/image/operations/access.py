"""Which image a caller means, and whether it may change it: invisible is 404, visible but another's is 403.

Images belong to projects: for a change with a token of no project there is none.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from api.request import Services
from common.context import RequestContext
from common.db import images
from common.db.models import Image
from common.errors import Forbidden, NotFound


def owned(session: Session, image_id: str, context: RequestContext, verb: str) -> Image:
    """The image, for a change that only its owner or an administrator (with a token for a project) may make.

    Raises NotFound, Forbidden.
    """
    image = images.get_visible(session, image_id, context)
    if context.project_id is None:
        raise NotFound(f"No image found with ID {image_id[:64]}")
    if not context.owns(image.owner):
        raise Forbidden(f"You are not permitted to {verb} this image.")
    return image


def look(services: Services, context: RequestContext, image_id: str, **_below: str) -> None:
    """Raises NotFound when the caller can't see the image, whatever its role."""
    with services.db.read() as session:
        images.get_visible(session, image_id, context)
