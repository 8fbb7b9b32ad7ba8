"""Interoperable import: bytes are staged, or are to be fetched; what they are is judged, and changed, by a worker (importer.py).

queued -> uploading while bytes are staged and wait, -> importing while they are fetched, judged and converted, -> active;
whatever goes wrong puts the image back to queued with the reason. Each import is a task that its image tells of.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import IO, Any

from sqlalchemy.orm import Session

from api.image.operations import stores
from api.image.operations.access import owned
from api.image.operations.stores import store_of
from api.image.operations.uploads import INTERRUPTED, check_length, copy_in, give_up, most_bytes, most_of
from api.image.store import sync
from api.request import Services
from common import log
from common.config import ImageConfig
from common.context import RequestContext
from common.db import image_quota, image_tasks, images
from common.db.images import ImageStatus
from common.db.models import Image, ImageTask
from common.db.paging import Page
from common.dialler import Dialler, DialPolicy
from common.errors import CloudError, Conflict, Forbidden, InvalidRequest, TargetRefused
from common.ids import is_uuid, new_id

logger = logging.getLogger(__name__)
DIRECT, WEB, GLANCE, COPY = "glance-direct", "web-download", "glance-download", "copy-image"
_FROM = {DIRECT: ImageStatus.UPLOADING, WEB: ImageStatus.QUEUED, GLANCE: ImageStatus.QUEUED, COPY: ImageStatus.ACTIVE}
_NOT_READY = {
    DIRECT: "Image needs to be staged before 'glance-direct' method can be used; image {}.",
    WEB: "Image needs to be in 'queued' state to use 'web-download' method; image {}.",
    GLANCE: "Image needs to be in 'queued' state to use 'glance-download' method; image {}.",
    COPY: "Only images with status active can be targeted for copying; image {}.",
}


def methods(config: ImageConfig) -> list[str]:
    """What may be asked for here: nothing to copy to with one store, no web-download when no host is allowed."""
    off = {WEB} if policy_of(config).is_off else set()
    off |= {COPY} if len(stores.configured(config)) == 1 else set()
    return [name for name in (DIRECT, WEB, GLANCE, COPY) if name not in off]


def policy_of(config: ImageConfig) -> DialPolicy:
    """Raises ConfigError."""
    return DialPolicy.parse(
        hosts=config.web_download_hosts,
        ports=config.web_download_ports,
        internal=config.web_download_internal,
        denied=config.web_download_denied,
    )


def dialler_of(services: Services) -> Dialler:
    return Dialler(policy_of(services.config.image), services.clock)


def stage(services: Services, context: RequestContext, image_id: str, stream: IO[bytes], length: int | None) -> None:
    """Receive an image's bytes and keep them for an import. Raises as an upload, but for what the bytes are."""
    store = store_of(services)
    check_length(length or 0, most_of(services.config.image))
    upload_id, now = new_id(), services.clock.now()

    def begin(session: Session) -> int:
        image = owned(session, image_id, context, "upload data to")
        if not images.begin_upload(session, image.id, upload_id, now, ImageStatus.UPLOADING):
            raise Conflict(
                f"Image status transition from {image.status} to uploading is not allowed; image {image.id}."
            )
        more = {image_quota.STAGE_TOTAL: -(-(length or 0) // image_quota.MIB), image_quota.COUNT_UPLOADING: 0}
        return most_bytes(session, services, image.owner, more)

    most = services.db.run(begin)
    kept, failure = False, INTERRUPTED
    try:
        with store.stage(upload_id) as staging:
            size = copy_in(stream, staging, length, most)
            sync(staging)
        store.keep(upload_id)
        services.db.run(lambda session: _staged(session, services, upload_id, size))
        kept = True
    except CloudError as err:
        failure = err.message
        raise
    finally:
        if not kept:
            give_up(services, store, upload_id, image_id, failure)
    log.event(logger, "image.staged", image_id=image_id, size_bytes=size)


def _staged(session: Session, services: Services, upload_id: str, size: int) -> None:
    """From now on the image shows how much has come, which counts. Raises QuotaExceeded."""
    owner = images.note_staged(session, upload_id, size, services.clock.now())
    image_quota.check(session, owner, services.config.cloud.region, {image_quota.STAGE_TOTAL: 0})


def request(
    services: Services, context: RequestContext, image_id: str, given: Mapping[str, Any], header_store: str | None
) -> None:
    """Accept an import, for a worker to do. What is wrong with the bytes the image and its task tell, not this call.

    Raises NotFound, Forbidden, Conflict (not in the state for it, no format set, no such store), InvalidRequest (no such
    method, an address that is not allowed).
    """
    method = given["method"]["name"]
    if method not in methods(services.config.image):
        known = ", ".join(methods(services.config.image))
        raise InvalidRequest(f"Unknown import method name '{method}'; there are {known}.")
    wanted = _wanted_stores(services, given, header_store)
    store, now = store_of(services), services.clock.now()

    def begin(session: Session) -> ImageTask | None:
        image = owned(session, image_id, context, "import")
        _check_method(services, method, given["method"])
        if image.status != _FROM[method] or (method == DIRECT and not store.has_kept(image.upload_id or new_id())):
            raise Conflict(_NOT_READY[method].format(image.id))
        for name in ("container_format", "disk_format"):
            if getattr(image, name) is None:
                raise Conflict(f"'{name}' needs to be set before import")
        image_quota.check(session, image.owner, services.config.cloud.region, {image_quota.SIZE_TOTAL: 0})
        missing = _to_copy(image, wanted, bool(given.get("all_stores"))) if method == COPY else wanted
        if not missing:
            return None
        task = image_tasks.create(session, image.id, context, given, now)
        values: dict[str, Any] = {"importing_to": stores.text_of(missing)}
        to = ImageStatus.ACTIVE if method == COPY else ImageStatus.IMPORTING
        if not image_tasks.hold_image(session, task, _FROM[method], to, values, now):
            raise Conflict(
                f"New operation on image '{image.id}' is not permitted as prior operation is still in progress"
            )
        return task

    task = services.db.run(begin)
    if task is not None:
        services.imports.set()
        log.event(logger, "image.import_accepted", image_id=image_id, task_id=task.id, method=method)


def _check_method(services: Services, method: str, parameters: Mapping[str, Any]) -> None:
    if method == WEB:
        try:
            dialler_of(services).check(str(parameters.get("uri") or ""))
        except TargetRefused as err:
            raise InvalidRequest(f"URI for web-download does not pass filtering: {err.message}") from err
    if method == GLANCE:
        for name in ("glance_region", "glance_image_id"):
            if name not in parameters:
                raise InvalidRequest(f"'{name}' needs to be set for glance-download import method")
        if not is_uuid(parameters["glance_image_id"]):
            raise InvalidRequest(f"Remote image id does not look like a UUID: {parameters['glance_image_id'][:64]}")


def _wanted_stores(services: Services, given: Mapping[str, Any], header_store: str | None) -> list[str]:
    """Raises InvalidRequest for stores said twice, Conflict for one that isn't there, as Glance has it."""
    known = list(stores.stores_of(services))
    if given.get("all_stores"):
        if "stores" in given or header_store is not None:
            raise InvalidRequest("all_stores can't be used with stores or the header X-Image-Meta-Store.")
        return known
    if "stores" in given and header_store is not None:
        raise InvalidRequest("stores and the header X-Image-Meta-Store can't both be given.")
    named = list(dict.fromkeys(given["stores"])) if "stores" in given else [header_store] if header_store else []
    if missing := [name for name in named if name not in known]:
        raise Conflict(f"There is no image store {missing[0][:64]!r}; there are {', '.join(known)}.")
    return named or (known if services.config.image.import_to_all_stores else [stores.LOCAL])


def _to_copy(image: Image, wanted: Sequence[str], all_stores: bool) -> list[str]:
    here = stores.ids(image.stores)
    if not all_stores and (present := [name for name in wanted if name in here]):
        raise InvalidRequest(f"Image is already present at store '{present[0]}'")
    return [name for name in wanted if name not in here]


def list_tasks(services: Services, image_id: str) -> Sequence[ImageTask]:
    with services.db.read() as session:
        return image_tasks.of_image(session, image_id)


def page_tasks(
    services: Services, context: RequestContext, filters: Mapping[str, Any], page: Page
) -> Sequence[ImageTask]:
    """Of all projects: an administrator's view."""
    _require_admin(context)
    with services.db.read() as session:
        return image_tasks.list_page(session, filters, page)


def show_task(services: Services, context: RequestContext, task_id: str) -> ImageTask:
    _require_admin(context)
    with services.db.read() as session:
        return image_tasks.get(session, task_id)


def _require_admin(context: RequestContext) -> None:
    if not context.is_admin or context.project_id is None:
        raise Forbidden("You are not authorized to complete tasks_api_access action.")
