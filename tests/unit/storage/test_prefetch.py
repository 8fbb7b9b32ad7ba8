"""Images fetched before anything needs them: kept on the disk until they are there, given up after a few tries."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from common.clock import ManualClock, SystemClock
from common.errors import ImageRefused
from common.rpc.queries_v1 import CachedImageEntry
from common.secret import Secret
from compute_agent.storage.image_cache import ImageCache
from compute_agent.storage.prefetch import AGAIN_S, MAX_TRIES, Prefetch
from tests.unit.storage.image_server import ImageServer, image_server

MIB = 1024 * 1024
STOP = threading.Event()  # never set


@pytest.fixture
def server() -> Iterator[ImageServer]:
    with image_server() as running:
        yield running


class Box:
    """A cache with what is to come into it, as an agent's life has it; `in_use` is what disks are built on."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock(SystemClock().now())
        self.in_use: set[str] = set()
        self.cache = ImageCache(
            folder / "images", node="node1", secret=Secret("s"), max_bytes=64 * MIB, max_virtual_bytes=1024**4,
            clock=self.clock,
        )  # fmt: skip
        self.prefetch = Prefetch(folder / "wanted", self.cache, in_use=self._used, clock=self.clock)

    def _used(self) -> Collection[str]:
        return self.in_use

    def states(self) -> dict[str, bool]:
        """Whether it is still to come, by hash."""
        return {entry.sha512: entry.queued for entry in self.prefetch.entries()}


def test_a_wanted_image_comes_even_after_a_restart(tmp_path: Path, server: ImageServer) -> None:
    image = server.add(b"x" * 300_000)
    box = Box(tmp_path)
    box.prefetch.want(image)
    assert box.prefetch.entries() == [CachedImageEntry(sha512=image.sha512, queued=True)]
    again = Box(tmp_path)
    again.prefetch.work(STOP)
    (entry,) = again.prefetch.entries()
    assert (entry.queued, entry.size_bytes, entry.hits) == (False, 300_000, 0)
    assert entry.fetched_at is not None
    for hits in (1, 2):
        with again.cache.hold(image, again._used):
            pass
        (entry,) = again.prefetch.entries()
        assert entry.hits == hits
    again.prefetch.want(image)
    again.prefetch.work(STOP)
    assert len(server.requests) == 1, "it was there"
    assert again.states() == {image.sha512: False}


def test_what_can_not_be_had_is_tried_again_and_given_up(tmp_path: Path, server: ImageServer) -> None:
    image = server.add(b"x" * 3000)
    server.statuses[f"/{image.id}"] = 404
    box = Box(tmp_path)
    box.prefetch.want(image)
    for number in range(MAX_TRIES):
        assert box.states() == {image.sha512: True}
        for _ in range(2):  # not at once again
            box.prefetch.work(STOP)
        assert len(server.requests) == number + 1
        box.clock.advance(AGAIN_S + 1)
    assert box.states() == {}


def test_wrong_bytes_are_not_asked_for_twice(tmp_path: Path, server: ImageServer) -> None:
    image = server.add(b"x" * 3000, sha512="a" * 128)
    box = Box(tmp_path)
    box.prefetch.want(image)
    box.prefetch.work(STOP)
    assert (box.states(), len(server.requests)) == ({}, 1)
    with pytest.raises(ImageRefused):
        box.prefetch.want(msgspec.structs.replace(image, sha512="../" * 42 + "xx"))


def test_dropping_spares_what_disks_are_built_on(tmp_path: Path, server: ImageServer) -> None:
    used, idle, coming = (server.add(bytes([number]) * 3000) for number in range(3))
    box = Box(tmp_path)
    for image in (used, idle):
        box.prefetch.want(image)
    box.prefetch.work(STOP)
    box.prefetch.want(coming)
    box.in_use.add(used.sha512)
    box.prefetch.drop([coming.sha512], cached=True, queued=False)
    assert box.states() == {used.sha512: False, idle.sha512: False, coming.sha512: True}
    box.prefetch.drop(None, cached=False, queued=True)
    assert box.states() == {used.sha512: False, idle.sha512: False}
    box.prefetch.drop(None, cached=True, queued=True)
    assert box.states() == {used.sha512: False}
    box.in_use.clear()
    box.prefetch.drop([used.sha512], cached=True, queued=True)
    assert box.states() == {}


def test_one_that_stays_unused_goes_by_age(tmp_path: Path, server: ImageServer) -> None:
    image = server.add(b"x" * 3000)
    box = Box(tmp_path)
    box.prefetch.want(image)
    box.prefetch.work(STOP)
    box.cache._unused_s = 3600.0
    assert box.cache.drop_unused(box._used) == 0
    box.clock.advance(timedelta(hours=2).total_seconds())
    assert box.cache.drop_unused(box._used) == 3000
    assert box.states() == {}
