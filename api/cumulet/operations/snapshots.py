"""A node sends the bytes of an image that an operation has it make of one of its servers; backups are rotated then."""

from __future__ import annotations

import logging
from typing import IO, Any

from sqlalchemy.orm import Session

from api.cumulet.operations.nodes import authenticated
from api.image.operations import uploads
from api.image.operations.stores import remove_everywhere, store_of
from api.image.operations.uploads import Upload
from api.request import Services
from common import log
from common.db import image_quota, images
from common.db.images import ImageStatus
from common.db.models import Image
from common.errors import Conflict, NotFound
from common.ids import new_id

logger = logging.getLogger(__name__)
_CHUNK_BYTES = 1024 * 1024


def receive(services: Services, name: str, secret: str, image_id: str, stream: IO[bytes], length: int | None) -> None:
    """Take an image's bytes from the node that was asked to make it; bytes that are here already are read and dropped.

    Raises Unauthenticated, NotFound (nothing has this node make this image), Conflict, and what an upload raises.
    """
    with services.db.read() as session:
        image, params = _expected(session, name, secret, image_id)
    if image.status == ImageStatus.ACTIVE:
        while stream.read(_CHUNK_BYTES):
            pass
        return

    def begin(session: Session) -> Upload:
        fresh, _ = _expected(session, name, secret, image_id)
        more = {image_quota.SIZE_TOTAL: -(-(length or 0) // image_quota.MIB)}
        most = uploads.most_bytes(session, services, fresh.owner, more)
        begun = Upload(new_id(), fresh.id, str(fresh.disk_format), most)
        if not images.begin_node_upload(session, fresh.id, begun.id, services.clock.now()):
            raise Conflict(f"Image {image_id} is {fresh.status}; it takes no data.")
        return begun

    uploads.upload_with(services, begin, stream, length)
    drop_deleted(services)
    if "rotation" in params:
        rotate(services, image, int(params["rotation"]))


def _expected(session: Session, name: str, secret: str, image_id: str) -> tuple[Image, dict[str, Any]]:
    node = authenticated(session, name, secret)
    image = images.get(session, image_id)
    operation = images.snapshot_for_node(session, image.id, node.id)
    if operation is None:
        raise NotFound(f"No image found with ID {image_id[:64]}")
    return image, operation.params


def drop_deleted(services: Services) -> None:
    """Remove the bytes of images that a scheduler has deleted, which reaches rows only."""
    store = store_of(services)
    with services.db.read() as session:
        gone = images.deleted_among(session, store.image_ids())
    for image_id in gone:
        remove_everywhere(services, image_id)


def rotate(services: Services, newest: Image, keep: int) -> None:
    """Delete a server's oldest backups of the newest one's type, but for `keep` and those that are protected."""

    def work(session: Session) -> list[str]:
        old = [image.id for image in images.backups(session, newest)[keep:]]
        return [image_id for image_id in old if images.mark_deleted(session, image_id, services.clock.now())]

    for image_id in services.db.run(work):
        remove_everywhere(services, image_id)
        facts = {name: newest.properties[name] for name in ("instance_uuid", "backup_type")}
        log.event(logger, "image.backup_rotated", image_id=image_id, **facts)
