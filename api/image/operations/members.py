"""Sharing: the owner names projects, each project accepts or rejects for itself."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from sqlalchemy.orm import Session

from api.request import Services
from common import log
from common.context import RequestContext
from common.db import image_members, images
from common.db.image_members import MemberStatus
from common.db.images import Visibility
from common.db.models import Image, ImageMember
from common.errors import AlreadyExists, BodyTooLarge, Forbidden, NotFound

logger = logging.getLogger(__name__)
MAX_MEMBERS = 128


def add(services: Services, context: RequestContext, image_id: str, member: str) -> ImageMember:
    """Offer the image to a project. Raises NotFound, Forbidden, AlreadyExists, BodyTooLarge."""
    now = services.clock.now()

    def work(session: Session) -> ImageMember:
        image = _shared(session, image_id, context)
        _require_owner(image, context)
        if image_members.count(session, image.id) >= MAX_MEMBERS:
            raise BodyTooLarge(f"The limit of {MAX_MEMBERS} members is reached for image {image_id}.")
        if not image_members.add(session, image.id, member, now):
            raise AlreadyExists(f"Image member {member} already exists for image {image_id}")
        return _member(session, image_id, member)

    added = services.db.run(work)
    log.event(logger, "image.shared", image_id=image_id, member=member)
    return added


def list_members(services: Services, context: RequestContext, image_id: str) -> Sequence[ImageMember]:
    """All of them for the owner; a member sees itself only."""
    with services.db.read() as session:
        image = _shared(session, image_id, context)
        only = None if context.owns(image.owner) else context.project_id
        return image_members.list_of(session, image.id, only=only)


def show(services: Services, context: RequestContext, image_id: str, member: str) -> ImageMember:
    with services.db.read() as session:
        image = _shared(session, image_id, context)
        if not context.owns(image.owner) and member != context.project_id:
            raise NotFound(f"{member[:64]} is not a member of image {image_id}")
        return _member(session, image_id, member)


def answer(
    services: Services, context: RequestContext, image_id: str, member: str, status: MemberStatus
) -> ImageMember:
    """A project accepts or rejects for itself; the owner may not answer in its place. Raises NotFound, Forbidden."""
    now = services.clock.now()

    def work(session: Session) -> ImageMember:
        image = _shared(session, image_id, context)
        if member != context.project_id and not context.is_admin:
            if context.owns(image.owner):
                raise Forbidden("You are not permitted to modify the status of members of this image.")
            raise NotFound(f"{member[:64]} is not a member of image {image_id}")
        _member(session, image_id, member)
        image_members.set_status(session, image.id, member, status, now)
        return _member(session, image_id, member)

    return services.db.run(work)


def remove(services: Services, context: RequestContext, image_id: str, member: str) -> None:
    """Raises NotFound for an image or member that isn't there, Forbidden for anyone but the owner."""

    def work(session: Session) -> None:
        image = _shared(session, image_id, context)
        _require_owner(image, context)
        _member(session, image_id, member)
        image_members.remove(session, image.id, member)

    services.db.run(work)
    log.event(logger, "image.unshared", image_id=image_id, member=member)


def _shared(session: Session, image_id: str, context: RequestContext) -> Image:
    image = images.get_visible(session, image_id, context)
    if image.visibility != Visibility.SHARED:
        raise Forbidden("Only shared images have members.")
    return image


def _require_owner(image: Image, context: RequestContext) -> None:
    if not context.owns(image.owner):
        raise Forbidden("You are not permitted to modify the members of this image.")


def _member(session: Session, image_id: str, member: str) -> ImageMember:
    found = image_members.get(session, image_id, member) if len(member) <= 64 and "\x00" not in member else None
    if found is None:
        raise NotFound(f"{member[:64]} is not a member of image {image_id}")
    return found
