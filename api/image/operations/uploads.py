"""The bytes of an image: received once, judged while they arrive, and never changed again.

queued -> saving names the one upload that may finish. Every ending but success removes what was received and puts the
image back to queued with the reason: a refused format, a client that went away, a full disk. A process that is killed
leaves that to `sweep`, which every API process does now and then.
"""

from __future__ import annotations

import hashlib
import logging
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import IO, BinaryIO, Protocol

from sqlalchemy.orm import Session

from api.image.operations import stores
from api.image.operations.access import owned
from api.image.store import CHUNK_BYTES, ImageStore, sync, write_all
from api.request import Services
from common import log
from common.config import ImageConfig
from common.context import RequestContext
from common.db import image_quota, images
from common.db.images import StoredBytes
from common.errors import BodyTooLarge, CloudError, Conflict, InvalidRequest, NotFound
from common.ids import new_id
from common.image_inspector import Inspector
from common.killpoints import reach

logger = logging.getLogger(__name__)
INTERRUPTED = "The upload ended before all data had arrived; upload the data again."
STALE_AFTER_S = 300.0  # with nothing written and nobody who has the file open
_HASHED_BEHIND = 4  # chunks
KEPT_FOR_S = 24 * 3600.0  # staged bytes that nobody imports


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True)
class Upload:
    """One try to give an image its bytes; only the one that the image names may finish. most_bytes: what may come."""

    id: str
    image_id: str
    disk_format: str
    most_bytes: int
    store: str = stores.LOCAL  # where they are to be


def upload(
    services: Services,
    context: RequestContext,
    image_id: str,
    stream: IO[bytes],
    length: int | None,
    store: str | None = None,
) -> None:
    """Receive an image's bytes; `length` is what the client announced, None when it didn't. store None: the first.

    Raises NotFound, Forbidden, Conflict (not queued), InvalidRequest (no format set, no such store, or cut off),
    BodyTooLarge, ImageRefused, StorageError (store full).
    """
    known = stores.stores_of(services)
    if store is not None and store not in known:
        raise InvalidRequest(f"There is no image store {store[:64]!r}; there are {', '.join(known)}.")

    def begin(session: Session) -> Upload:
        begun = _begin(session, services, context, image_id, length or 0)
        return replace(begun, store=store or stores.LOCAL)

    upload_with(services, begin, stream, length)


def upload_with(
    services: Services, begin: Callable[[Session], Upload], stream: IO[bytes], length: int | None
) -> StoredBytes:
    """Receive the bytes of the upload that `begin` begins in a transaction of its own. Raises what `upload` raises."""
    limits = services.config.image
    check_length(length or 0, most_of(limits))
    begun = services.db.run(begin)
    store = stores.stores_of(services)[begun.store]
    published, failure = False, INTERRUPTED
    try:
        with store.stage(begun.id) as staging:
            stored = receive(stream, staging, begun, length, limits)
        reach("image.upload.received")
        services.db.run(lambda session: _publish(session, services, begun, stored))
        published = True
    except CloudError as err:
        failure = err.message
        raise
    finally:
        if not published:
            give_up(services, store, begun.id, begun.image_id, failure)
    log.event(logger, "image.uploaded", image_id=begun.image_id, size_bytes=stored.size, sha512=stored.sha512)
    return stored


def _begin(session: Session, services: Services, context: RequestContext, image_id: str, length: int) -> Upload:
    image = owned(session, image_id, context, "upload data to")
    missing = [name for name in ("disk_format", "container_format") if getattr(image, name) is None]
    if missing or image.disk_format is None:
        raise InvalidRequest(f"Properties {', '.join(missing)} must be set prior to saving data.")
    upload_id = new_id()
    if not images.begin_upload(session, image.id, upload_id, services.clock.now()):
        raise Conflict(f"Image status transition from {image.status} to saving is not allowed; image {image.id}.")
    more = {image_quota.SIZE_TOTAL: -(-length // image_quota.MIB), image_quota.COUNT_UPLOADING: 0}
    most = most_bytes(session, services, image.owner, more)
    return Upload(upload_id, image.id, image.disk_format, most)


def most_bytes(session: Session, services: Services, owner: str | None, more: Mapping[str, int]) -> int:
    """How many bytes may come for an image now, by the limit of one and by the owner's quota of what `more` begins with.

    Raises QuotaExceeded when not even `more` fits.
    """
    region = services.config.cloud.region
    image_quota.check(session, owner, region, more)
    room = image_quota.room_bytes(session, owner, region, next(iter(more)))
    most = most_of(services.config.image)
    return most if room is None else min(most, room)


class Judge:
    """Hashes bytes and looks into them while they pass; memory is bounded, however many there are.

    The longer hash is made beside the rest, by a thread of its own: hashing is most of what an upload costs.
    """

    def __init__(self, limits: ImageConfig) -> None:
        self._md5, self._sha512 = hashlib.md5(usedforsecurity=False), hashlib.sha512()
        self._beside = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sha512")
        self._open: deque[Future[None]] = deque()
        self._inspector = Inspector(max_virtual_bytes=limits.max_virtual_gib * 1024**3)

    def feed(self, chunk: bytes) -> None:
        self._open.append(self._beside.submit(self._sha512.update, chunk))
        self._md5.update(chunk)
        self._inspector.feed(chunk)
        while len(self._open) > _HASHED_BEHIND:
            self._open.popleft().result()

    def finish(self, disk_format: str) -> StoredBytes:
        """Raises ImageRefused when the bytes are not safely of this format."""
        for each in self._open:
            each.result()
        self._beside.shutdown()
        found = self._inspector.finish(disk_format)
        return StoredBytes(found.size_bytes, found.virtual_size_bytes, self._md5.hexdigest(), self._sha512.hexdigest())


def receive(
    stream: IO[bytes], staging: BinaryIO, begun: Upload, length: int | None, limits: ImageConfig
) -> StoredBytes:
    """Write, hash and inspect the stream in one pass."""
    judge = Judge(limits)
    copy_in(stream, staging, length, begun.most_bytes, judge.feed)
    stored = judge.finish(begun.disk_format)
    sync(staging)
    return stored


def copy_in(
    stream: Readable,
    staging: BinaryIO,
    length: int | None,
    most: int,
    judge: Callable[[bytes], None] | None = None,
) -> int:
    """The stream's size in bytes. Raises InvalidRequest when it is not what was announced, BodyTooLarge."""
    size = 0
    while chunk := _next_chunk(stream):
        size += len(chunk)
        check_length(size, most)
        if judge is not None:
            judge(chunk)
        write_all(staging, chunk)
    if length is not None and size != length:
        raise InvalidRequest(INTERRUPTED)
    return size


def _next_chunk(stream: Readable) -> bytes:
    try:
        return stream.read(CHUNK_BYTES)
    except OSError as err:  # the connection broke, or a chunked body ended early
        raise InvalidRequest(INTERRUPTED, detail=str(err)) from err


def _publish(session: Session, services: Services, begun: Upload, stored: StoredBytes) -> None:
    """The file moves inside the transaction: only the upload that holds the image can put bytes in its place."""
    if not images.finish_upload(session, begun.image_id, begun.id, stored, begun.store, services.clock.now()):
        raise NotFound(
            f"Image {begun.image_id} could not be found after upload; the image may have been deleted during the upload.",
            http_status=410,
        )
    owner = images.get(session, begun.image_id).owner
    image_quota.check(session, owner, services.config.cloud.region, {image_quota.SIZE_TOTAL: 0})
    stores.stores_of(services)[begun.store].publish(begun.id, begun.image_id)
    reach("image.upload.published")


def give_up(services: Services, store: ImageStore, upload_id: str, image_id: str, failure: str) -> None:
    """Throw away what has arrived; the image may be uploaded again."""
    store.discard(upload_id)
    _return(services, upload_id, image_id, failure)
    log.event(logger, "image.upload_failed", logging.WARNING, image_id=image_id, reason=failure)


def _return(services: Services, upload_id: str, image_id: str, failure: str) -> bool:
    """Back to queued. False: the upload holds no image.

    The bytes may be in their place already, if the process died there: they go before another upload can begin.
    """
    now = services.clock.now()

    def work(session: Session) -> bool:
        returned = images.return_to_queue(session, upload_id, failure, now)
        if returned:
            stores.remove_everywhere(services, image_id)
        return returned

    return services.db.run(work)


def most_of(limits: ImageConfig) -> int:
    """The bytes that one image may have."""
    return limits.max_size_mib * 1024**2


def check_length(size: int, most: int) -> None:
    """Raises BodyTooLarge."""
    if size > most:
        raise BodyTooLarge(f"Denying attempt to upload image larger than {most} bytes, which is what may be stored.")


def recover(services: Services, older_than_s: float = STALE_AFTER_S) -> list[str]:
    """`sweep`, when an API process starts; the bytes of deleted images are dropped, too."""
    returned = sweep(services, older_than_s)
    with services.db.read() as session:
        here = {image_id for each in stores.stores_of(services).values() for image_id in each.image_ids()}
        leftovers = images.deleted_among(session, sorted(here))
    for image_id in leftovers:
        stores.remove_everywhere(services, image_id)
    log.event(logger, "image.store_cleaned", deleted=len(leftovers), returned=returned)
    return returned


def sweep(services: Services, older_than_s: float = STALE_AFTER_S) -> list[str]:
    """Clean up after API processes that were killed; the ids of the images that went back to queued.

    Staging files that nobody writes to are removed, and their images may be uploaded again. Uploads in progress, here or
    on another host, are newer than `older_than_s` or locked; what was staged may wait for its import for a day.
    """
    known = list(stores.stores_of(services).values())
    before = services.clock.now() - timedelta(seconds=older_than_s)
    forgotten = services.clock.now() - timedelta(seconds=max(KEPT_FOR_S, older_than_s))
    dead: set[str] = set()
    for store in known:
        stale = [*store.stale_uploads(before.timestamp()), *store.kept_before(forgotten.timestamp())]
        for upload_id in stale:
            store.discard(upload_id)
        dead.update(stale)
    with services.db.read() as session:
        held = images.uploads_of(session, dead) | images.uploads_begun_before(session, before)
    returned = []
    for upload_id, image_id in held.items():
        here = any(store.has_upload(upload_id) or store.has_kept(upload_id) for store in known)
        if not here and _return(services, upload_id, image_id, INTERRUPTED):
            returned.append(image_id)
            log.event(logger, "image.upload_swept", logging.WARNING, image_id=image_id)
    return returned
