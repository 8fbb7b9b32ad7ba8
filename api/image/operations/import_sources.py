"""Where an import's bytes come from, by method: what was staged, an address on the web, another image of this cloud."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from api.image.operations import stores
from api.image.operations.imports import DIRECT, GLANCE, WEB, dialler_of
from api.image.operations.stores import store_of
from api.image.operations.uploads import INTERRUPTED, Judge, copy_in, most_bytes
from api.image.operations.workspace import Workspace
from api.image.store import sync
from api.request import Services
from common.context import RequestContext
from common.db import image_quota, image_tasks, images
from common.db.image_tasks import FoundOut
from common.db.images import ImageStatus, StoredBytes
from common.db.models import Image, ImageTask
from common.deadlines import IMAGE_FETCH_IDLE_S, IMAGE_FETCH_S, IMAGE_IMPORT_CHECK_S
from common.errors import FetchFailed, ImageDamaged, LeaseLost, StorageError

#: properties that come along from another image
_TAKEN_ALONG = ("hw_", "trait:", "os_distro", "os_secure_boot")


@dataclass
class Job:
    """One import that this worker holds. image: its row as it was when the work began."""

    services: Services
    task: ImageTask
    worker: str
    image: Image
    _checked_at: float = field(default=float("-inf"))

    @property
    def method(self) -> str:
        return str(self.task.request["method"]["name"])

    def most_bytes(self) -> int:
        """What may come, by the owner's quota. Raises QuotaExceeded."""
        with self.services.db.read() as session:
            return most_bytes(session, self.services, self.image.owner, {image_quota.SIZE_TOTAL: 0})

    def checkpoint(self) -> None:
        """Now and then ask whether all this is still wanted. Raises LeaseLost when it isn't, or another does it."""
        now = self.services.clock.monotonic()
        if now - self._checked_at < IMAGE_IMPORT_CHECK_S:
            return
        self._checked_at = now
        with self.services.db.read() as session:
            if not image_tasks.is_wanted(session, self.task.id, self.worker):
                raise LeaseLost("the image was deleted, or another worker has this import")


@dataclass(frozen=True)
class Arrived:
    """A file with bytes as they came. stored: what they are, where that is known already; judge: has seen them all."""

    path: Path
    found: FoundOut
    stored: StoredBytes | None = None
    judge: Judge | None = None


def _staged(job: Job, _workspace: Workspace) -> Arrived:
    path = store_of(job.services).kept_path(job.image.upload_id or "")
    if not path.exists():
        raise StorageError(INTERRUPTED)
    return Arrived(path, _declared(job.image))


def _from_web(job: Job, workspace: Workspace) -> Arrived:
    scratch, judge = workspace.new(), Judge(job.services.config.image)

    def see(chunk: bytes) -> None:
        job.checkpoint()
        judge.feed(chunk)

    uri = str(job.task.request["method"]["uri"])
    with dialler_of(job.services).fetch(uri, timeout_s=IMAGE_FETCH_S, idle_s=IMAGE_FETCH_IDLE_S) as body:
        copy_in(body, scratch.file, body.length, job.most_bytes(), see)
    sync(scratch.file)
    return Arrived(scratch.path, _declared(job.image), judge=judge)


def _from_image(job: Job, _workspace: Workspace) -> Arrived:
    """Another image that the caller may read; regions that this cloud does not have can't be reached."""
    parameters, config = job.task.request["method"], job.services.config
    if parameters["glance_region"] != config.cloud.region or (
        parameters.get("glance_service_interface", "public") not in ("public", "internal", "admin")
    ):
        raise FetchFailed(f"There is no image service in region {str(parameters['glance_region'])[:64]!r}.")
    caller = RequestContext(
        request_id=job.task.request_id,
        user_id=job.task.user_id,
        project_id=job.task.owner,
        roles=frozenset({"admin", "member"} if job.task.caller.get("is_admin") else {"member"}),
    )
    with job.services.db.read() as session:
        source = images.get_visible(session, str(parameters["glance_image_id"]), caller)
    if source.status != ImageStatus.ACTIVE or source.disk_format is None or source.container_format is None:
        raise FetchFailed(f"Image {source.id} is {source.status}; only an active one can be copied.")
    store = stores.holding(job.services, source)
    store.open(source.id, source.size or 0).close()
    along = {name: value for name, value in source.properties.items() if name.startswith(_TAKEN_ALONG)}
    found = FoundOut(source.disk_format, source.container_format, along, properties_win=True)
    return Arrived(store.image_path(source.id), found, stored=_stored(source))


def _declared(image: Image) -> FoundOut:
    return FoundOut(str(image.disk_format), str(image.container_format))


def _stored(image: Image) -> StoredBytes:
    if image.checksum is None or image.os_hash_value is None:
        raise ImageDamaged(f"Image {image.id} has no checksum; upload it again.")
    return StoredBytes(image.size or 0, image.virtual_size or image.size or 0, image.checksum, image.os_hash_value)


BY_METHOD: dict[str, Callable[[Job, Workspace], Arrived]] = {DIRECT: _staged, WEB: _from_web, GLANCE: _from_image}
