"""Interoperable import by `glance-direct`: bytes are staged first, then judged and taken in by a call of their own.

queued -> uploading while bytes arrive and wait, -> importing while they are hashed and inspected, -> active; whatever goes
wrong puts the image back to queued with the reason. Each import is a task that its image tells of.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import IO, Any

from sqlalchemy.orm import Session

from api.image.operations.access import owned
from api.image.operations.images import store_of
from api.image.operations.uploads import INTERRUPTED, check_length, copy_in, give_up, publish_with, receive
from api.image.store import sync_and_close
from api.request import Services
from common import log
from common.context import RequestContext
from common.db import image_tasks, images
from common.db.images import ImageStatus
from common.db.models import ImageTask
from common.errors import CloudError, Conflict, InvalidRequest
from common.ids import new_id

logger = logging.getLogger(__name__)
METHOD = "glance-direct"


def stage(services: Services, context: RequestContext, image_id: str, stream: IO[bytes], length: int | None) -> None:
    """Receive an image's bytes and keep them for `import_staged`. Raises as an upload, but for what the bytes are."""
    store, limits = store_of(services), services.config.image
    check_length(length or 0, limits)
    upload_id, now = new_id(), services.clock.now()

    def begin(session: Session) -> None:
        image = owned(session, image_id, context, "upload data to")
        if not images.begin_upload(session, image.id, upload_id, now, ImageStatus.UPLOADING):
            raise Conflict(
                f"Image status transition from {image.status} to uploading is not allowed; image {image.id}."
            )

    services.db.run(begin)
    kept = False
    try:
        with store.stage(upload_id) as staging:
            size = copy_in(stream, staging, length, limits)
            sync_and_close(staging)
        store.keep(upload_id)
        kept = True
    finally:
        if not kept:
            give_up(services, store, upload_id, image_id, INTERRUPTED)
    log.event(logger, "image.staged", image_id=image_id, size_bytes=size)


def import_staged(services: Services, context: RequestContext, image_id: str, given: Mapping[str, Any]) -> None:
    """Take in what was staged. What is wrong with the bytes is told by the image and its task, not by this call.

    Raises NotFound, Forbidden, Conflict (nothing staged), InvalidRequest (another method, no format set).
    """
    method = given["method"]["name"]
    if method != METHOD:
        raise InvalidRequest(f"Unknown import method name '{method}'; there is {METHOD}.")
    store, now = store_of(services), services.clock.now()

    def begin(session: Session) -> tuple[str, str, str, str]:
        image = owned(session, image_id, context, "import")
        if image.disk_format is None or image.container_format is None:
            raise InvalidRequest("'disk_format' and 'container_format' need to be set before import.")
        upload_id = image.upload_id
        if image.status != ImageStatus.UPLOADING or upload_id is None or not store.has_kept(upload_id):
            raise Conflict(f"Image needs to be staged before '{METHOD}' method can be used; image {image.id}.")
        if not images.begin_import(session, image.id, upload_id, now):
            raise Conflict(f"Image {image.id} is being imported already.")
        task = image_tasks.create(session, image.id, context, dict(given), now)
        return image.id, upload_id, image.disk_format, task.id

    own_id, upload_id, disk_format, task_id = services.db.run(begin)
    failure = _take_in(services, own_id, upload_id, disk_format)
    services.db.run(lambda session: image_tasks.finish(session, task_id, failure, services.clock.now()))


def _take_in(services: Services, image_id: str, upload_id: str, disk_format: str) -> str:
    """What went wrong, "" when nothing did."""
    store, failure = store_of(services), INTERRUPTED
    try:
        with store.open_kept(upload_id) as staged:
            stored = receive(staged, None, disk_format, None, services.config.image)
        services.db.run(
            lambda session: publish_with(
                session, services, image_id, upload_id, stored, lambda: store.publish_kept(upload_id, image_id)
            )
        )
        failure = ""
    except CloudError as err:
        failure = err.message
    finally:
        if failure:
            give_up(services, store, upload_id, image_id, failure)
    if not failure:
        log.event(logger, "image.imported", image_id=image_id, size_bytes=stored.size, sha512=stored.sha512)
    return failure


def list_tasks(services: Services, image_id: str) -> Sequence[ImageTask]:
    with services.db.read() as session:
        return image_tasks.of_image(session, image_id)
