"""Which image a caller means, and whether it may change it: invisible is 404, visible but another's is 403."""

from __future__ import annotations

from sqlalchemy.orm import Session

from common.context import RequestContext
from common.db import images
from common.db.models import Image
from common.errors import Forbidden


def owned(session: Session, image_id: str, context: RequestContext, verb: str) -> Image:
    """The image, for a change that only its owner or an administrator (with a token for a project) may make.

    Raises NotFound, Forbidden.
    """
    image = images.get_visible(session, image_id, context)
    if context.project_id is None or not context.owns(image.owner):
        raise Forbidden(f"You are not permitted to {verb} this image.")
    return image
