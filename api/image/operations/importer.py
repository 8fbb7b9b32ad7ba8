"""Works on imports: brings an image's bytes in by the method that was asked for, judges them, converts what nodes don't boot,
puts them into the stores, and says how it ended.

One that dies in the middle is taken up again by another worker once its lease is over; until the transaction that makes the
image active nothing of it counts, and whatever it has made has a name of its own or is what the next one makes again.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

from sqlalchemy.orm import Session

from api.image.operations import import_sources, stores
from api.image.operations.bootable import made_bootable
from api.image.operations.import_sources import Job
from api.image.operations.stores import store_of
from api.image.operations.workspace import Workspace
from api.request import Services
from common import log
from common.db import image_quota, image_tasks, images
from common.db.models import ImageTask
from common.deadlines import IMAGE_IMPORT_LEASE_S, IMAGE_IMPORT_SWEEP_S
from common.errors import CloudError, LeaseLost, NotFound, StorageError
from common.ids import new_id
from common.killpoints import reach

logger = logging.getLogger(__name__)
MAX_ATTEMPTS = 3


class Importer:
    """The threads of one API process that work on imports, and one that renews their leases."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._worker = new_id()

    def start(self) -> None:
        """They are daemons: what they do may end anywhere."""
        for number in range(self._services.config.image.import_workers):
            threading.Thread(target=self._work, name=f"import-{number}", daemon=True).start()
        threading.Thread(target=self._renew, name="import-leases", daemon=True).start()

    def _work(self) -> None:
        while True:
            try:
                if work(self._services, self._worker):
                    continue
            except Exception:
                logger.exception("image.import_worker_failed")
            self._services.imports.wait(IMAGE_IMPORT_SWEEP_S)
            self._services.imports.clear()

    def _renew(self) -> None:
        clock = self._services.clock
        while True:
            clock.sleep(IMAGE_IMPORT_LEASE_S / 3)
            until = clock.now() + timedelta(seconds=IMAGE_IMPORT_LEASE_S)
            try:
                self._services.db.run(partial(image_tasks.renew, worker=self._worker, lease_until=until))
            except Exception:
                logger.exception("image.import_lease_not_renewed")


def work(services: Services, worker: str) -> bool:
    """One import, to its end. False: there was none."""
    now = services.clock.now()
    with services.db.read() as session:
        if not image_tasks.is_due(session, now):
            return False
    until = now + timedelta(seconds=IMAGE_IMPORT_LEASE_S)
    task = services.db.run(lambda session: image_tasks.take(session, worker, now, until))
    if task is None:
        return False
    with log.bind(request_id=task.request_id):
        _run(services, task, worker)
    return True


def _run(services: Services, task: ImageTask, worker: str) -> None:
    failure = "The image service has a fault that its log describes; ask its operator."
    try:
        with services.db.read() as session:
            image = images.get(session, task.image_id)
        job = Job(services, task, worker, image)
        if task.attempts > MAX_ATTEMPTS:
            raise StorageError(
                f"The image service ended {MAX_ATTEMPTS} times while it worked on this; import it again."
            )
        reach("image.import.taken")
        if job.method == "copy-image":
            _copy(job)
        else:
            _bring(job)
        return
    except LeaseLost:
        log.event(logger, "image.import_lease_lost", logging.WARNING, image_id=task.image_id, task_id=task.id)
        return
    except CloudError as err:
        failure = err.message
        log.event(
            logger, "image.import_failed", logging.WARNING, image_id=task.image_id, reason=failure, detail=err.detail
        )
    except OSError:
        failure = "The image store can't be read or written; ask its operator."
        logger.exception("image.import_store_failed")
    except Exception:
        logger.exception("image.import_fault")
    _give_up(services, task, worker, failure)


def _bring(job: Job) -> None:
    services, image_id = job.services, job.image.id
    with Workspace(store_of(services)) as workspace:
        arrived = import_sources.BY_METHOD[job.method](job, workspace)
        ready = made_bootable(job, workspace, arrived)
        placed = _place(job, ready.path, stores.ids(job.image.importing_to or ""))
        reach("image.import.placed")
        now = services.clock.now()

        def commit(session: Session) -> None:
            if not image_tasks.finish(session, job.task.id, job.worker, "", now, ready.message):
                raise LeaseLost("another worker has this import")
            if not image_tasks.bytes_are_in(
                session, job.task.id, ready.stored, ready.found, stores.text_of(placed.there), stores.text_of(placed.failed), now
            ):  # fmt: skip
                raise NotFound("The image was deleted during its import.")
            _check_quota(session, job)

        services.db.run(commit)
    _discard_kept(services, job.image.upload_id)
    log.event(
        logger, "image.imported", image_id=image_id, size_bytes=ready.stored.size, sha512=ready.stored.sha512,
        method=job.method, stores=placed.there, message=ready.message,
    )  # fmt: skip


def _copy(job: Job) -> None:
    """Into further stores; an image that is active stays so however it ends."""
    services, image = job.services, job.image
    source = stores.holding(services, image).image_path(image.id)
    placed = _place(job, source, stores.ids(image.importing_to or ""))
    now = services.clock.now()
    everywhere = stores.text_of([*stores.ids(image.stores), *placed.there])

    def commit(session: Session) -> None:
        if not image_tasks.finish(session, job.task.id, job.worker, "", now):
            raise LeaseLost("another worker has this import")
        failed = stores.text_of(placed.failed)
        if not image_tasks.copies_are_made(session, job.task.id, everywhere, "", failed, now):
            raise NotFound("The image was deleted while it was copied.")
        _check_quota(session, job)

    services.db.run(commit)
    log.event(logger, "image.copied", image_id=image.id, stores=placed.there)


def _check_quota(session: Session, job: Job) -> None:
    """With this image as it is now. Raises QuotaExceeded."""
    image_quota.check(session, job.image.owner, job.services.config.cloud.region, {image_quota.SIZE_TOTAL: 0})


@dataclass(frozen=True)
class _Placed:
    there: Sequence[str]
    failed: Sequence[str]


def _place(job: Job, source: Path, wanted: Sequence[str]) -> _Placed:
    """Into each store. One that fails fails all, unless the caller said that some are enough. Raises StorageError."""
    known = stores.stores_of(job.services)
    there: list[str] = []
    failed: list[str] = []
    for name in wanted:
        job.checkpoint()
        try:
            if name not in known:
                raise StorageError(f"There is no image store {name} any more.")
            known[name].place(source, job.image.id)
            there.append(name)
        except (OSError, StorageError) as err:
            log.event(logger, "image.store_failed", logging.ERROR, image_id=job.image.id, store=name, reason=str(err))
            if job.task.request.get("all_stores_must_succeed", True):
                raise
            failed.append(name)
    if not there:
        raise StorageError("The image could be written to none of the stores; ask their operator.")
    return _Placed(there, failed)


def _give_up(services: Services, task: ImageTask, worker: str, failure: str) -> None:
    """Say why, let the image go, and take away what has been put into stores for it."""
    now = services.clock.now()

    def end(session: Session) -> tuple[list[str], str | None]:
        if not image_tasks.finish(session, task.id, worker, failure, now):
            return [], None
        image = images.held_by(session, task.id)
        if image is None:
            return list(stores.stores_of(services)), None
        wanted = image.importing_to or ""
        image_tasks.give_up(session, task.id, failure, wanted, now)
        return [name for name in stores.ids(wanted) if name not in stores.ids(image.stores)], image.upload_id

    unused, upload_id = services.db.run(end)
    for name, store in stores.stores_of(services).items():
        if name in unused:
            store.remove(task.image_id)
    _discard_kept(services, upload_id)


def _discard_kept(services: Services, upload_id: str | None) -> None:
    if upload_id is not None:
        store_of(services).discard(upload_id)
