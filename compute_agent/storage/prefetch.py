"""Images that are wanted in the node's cache before anything needs them: written down, fetched one by one, or given up.

A hint and no promise: what can't be had after a few tries is forgotten, and whoever asked sees that it is not there.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection
from pathlib import Path

import msgspec

from common import log
from common.clock import Clock
from common.errors import CloudError, ImageDamaged, ImageRefused
from common.rpc.command_base import ImageSpec
from common.rpc.queries_v1 import CachedImageEntry
from compute_agent import durable
from compute_agent.storage.image_cache import SHA512, ImageCache

logger = logging.getLogger(__name__)
MAX_TRIES = 3
AGAIN_S = 60.0
_LOOK_S = 1.0


class _Wanted(msgspec.Struct, frozen=True, kw_only=True):
    image: ImageSpec
    tries: int = 0


class Prefetch:
    """`in_use`: the sha512 of images that disks are built on. `work` is called by one thread, the rest by any."""

    def __init__(
        self, folder: Path, cache: ImageCache, *, in_use: Callable[[], Collection[str]], clock: Clock
    ) -> None:  # fmt: skip
        self._folder = durable.make_folder(folder)
        self._cache, self._in_use, self._clock = cache, in_use, clock
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._not_before: dict[str, float] = {}

    def want(self, image: ImageSpec) -> None:
        """Raises ImageRefused for what has no proper hash, OSError."""
        if not SHA512.fullmatch(image.sha512):
            raise ImageRefused(f"image {image.id} has no proper sha512; upload it again", image_id=image.id)
        with self._lock:
            durable.write(self._path(image.sha512), msgspec.json.encode(_Wanted(image=image)))
            self._not_before.pop(image.sha512, None)
        self._wake.set()

    def entries(self) -> list[CachedImageEntry]:
        """What is there, and what is still to come. Raises OSError."""
        cached = self._cache.entries()
        here = {entry.sha512 for entry in cached}
        with self._lock:
            queued = sorted({wanted.image.sha512 for wanted in self._all()} - here)
        return [*cached, *(CachedImageEntry(sha512=sha512, queued=True) for sha512 in queued)]

    def drop(self, sha512s: Collection[str] | None, *, cached: bool, queued: bool) -> None:
        """None: all; an image that is being fetched just now still comes. Raises OSError, StorageError."""
        if queued:
            with self._lock:
                for wanted in self._all():
                    if sha512s is None or wanted.image.sha512 in sha512s:
                        self._path(wanted.image.sha512).unlink(missing_ok=True)
        if cached:
            self._cache.drop(sha512s, self._in_use)

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            self._wake.wait(_LOOK_S)
            self._wake.clear()
            try:
                self.work(stop)
            except OSError:  # the state folder can't be read: guests run on, and so does this agent
                logger.exception("prefetch.folder_not_read")

    def work(self, stop: threading.Event) -> None:
        """Fetch what is due, until `stop`. Raises OSError."""
        with self._lock:
            every = self._all()
        for wanted in every:
            if stop.is_set():
                return
            if self._clock.monotonic() >= self._not_before.get(wanted.image.sha512, float("-inf")):
                self._fetch(wanted)

    def _fetch(self, wanted: _Wanted) -> None:
        image = wanted.image
        try:
            with self._cache.hold(image, self._in_use, in_advance=True):
                pass
        except (CloudError, OSError) as err:
            self._failed(wanted, err)
            return
        self._forget(wanted)

    def _failed(self, wanted: _Wanted, err: CloudError | OSError) -> None:
        image, tries = wanted.image, wanted.tries + 1
        final = tries >= MAX_TRIES or isinstance(err, ImageDamaged | ImageRefused)
        log.event(
            logger, "prefetch.given_up" if final else "prefetch.failed", logging.WARNING, image_id=image.id,
            tries=tries, reason=str(err), detail=err.detail if isinstance(err, CloudError) else "",
        )  # fmt: skip
        if final:
            self._forget(wanted)
            return
        with self._lock:
            self._not_before[image.sha512] = self._clock.monotonic() + AGAIN_S
            if self._path(image.sha512).exists():  # else it is no longer wanted
                durable.write(self._path(image.sha512), msgspec.json.encode(_Wanted(image=image, tries=tries)))

    def _forget(self, wanted: _Wanted) -> None:
        """It came, or never will."""
        with self._lock:
            self._not_before.pop(wanted.image.sha512, None)
            self._path(wanted.image.sha512).unlink(missing_ok=True)

    def _all(self) -> list[_Wanted]:
        """The caller holds the lock: what is read here others remove."""
        return list(durable.read_all(self._folder, _Wanted))

    def _path(self, sha512: str) -> Path:
        return self._folder / f"{sha512}{durable.SUFFIX}"
