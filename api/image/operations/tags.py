"""Tags of an image, one at a time."""

from __future__ import annotations

from sqlalchemy.orm import Session

from api.image.operations.access import owned
from api.image.schemas.images import MAX_TAGS, TAG
from api.request import Services
from api.schema import obj, validate
from common.context import RequestContext
from common.db import images
from common.errors import BodyTooLarge, NotFound

_TAG = obj({"tag": TAG})


def add(services: Services, context: RequestContext, image_id: str, tag: str) -> None:
    """Raises NotFound, Forbidden, InvalidRequest, BodyTooLarge when the image has too many."""
    validate({"tag": tag}, _TAG)

    def work(session: Session) -> None:
        image = owned(session, image_id, context, "modify")
        present = images.tags_of(session, [image.id])[image.id]
        if tag not in present and len(present) >= MAX_TAGS:
            raise BodyTooLarge(
                "The limit has been exceeded on the number of allowed image tags. "
                f"Attempted: {len(present) + 1}, Maximum: {MAX_TAGS}"
            )
        images.add_tags(session, image.id, [tag])

    services.db.run(work)


def remove(services: Services, context: RequestContext, image_id: str, tag: str) -> None:
    """Raises NotFound for an image or a tag that isn't there, Forbidden."""

    def work(session: Session) -> None:
        image = owned(session, image_id, context, "modify")
        if "\x00" in tag or not images.remove_tag(session, image.id, tag):
            raise NotFound(f"Image {image_id} has no tag {tag[:255]!r}.")

    services.db.run(work)
