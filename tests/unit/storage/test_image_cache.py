"""The image cache: proof before use, one download for many, a bound that holds, and kill -9 (IMG-18)."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from common.clock import SystemClock
from common.errors import ImageDamaged, ImageRefused, StorageError
from common.rpc.command_base import ImageSpec
from common.secret import Secret
from compute_agent.storage.image_cache import CachedImage, ImageCache
from tests.unit import image_headers as make
from tests.unit.storage.image_server import ImageServer, image_server

pytestmark = pytest.mark.slow

SECRET = "s3cret-of-the-node"
MIB = 1024 * 1024


@pytest.fixture
def server() -> Iterator[ImageServer]:
    with image_server() as running:
        yield running


def cache(folder: Path, max_bytes: int = 64 * MIB, unused_s: float = 0.0) -> ImageCache:
    return ImageCache(
        folder / "cache",
        node="node1",
        secret=Secret(SECRET),
        max_bytes=max_bytes,
        max_virtual_bytes=1024**4,
        clock=SystemClock(),
        unused_s=unused_s,
    )


def nothing() -> Collection[str]:
    return ()


def fetch(store: ImageCache, image: ImageSpec, in_use: Callable[[], Collection[str]] = nothing) -> CachedImage:
    with store.hold(image, in_use) as cached:
        return cached


def files(folder: Path) -> list[str]:
    return sorted(name for name in os.listdir(folder / "cache") if not name.endswith((".lock", ".uses")))


def test_an_image_is_fetched_once_and_then_here(tmp_path: Path, server: ImageServer) -> None:
    store = cache(tmp_path)
    body = make.qcow2(size=5 * MIB)
    image = server.add(body, "qcow2")
    first = fetch(store, image)
    assert first == CachedImage(image.sha512, tmp_path / "cache" / image.sha512, "qcow2", 5 * MIB)
    assert first.path.read_bytes() == body
    assert first.path.stat().st_mode & 0o777 == 0o440
    assert fetch(store, image) == first
    assert fetch(cache(tmp_path), image) == first
    assert server.requests == [(f"/{image.id}", "node1", SECRET)]
    assert files(tmp_path) == [image.sha512, f"{image.sha512}.json"]


def test_raw_images_stay_raw_and_iso_is_raw_to_qemu(tmp_path: Path, server: ImageServer) -> None:
    store = cache(tmp_path)
    assert fetch(store, server.add(b"r" * 1000)).format == "raw"
    assert fetch(store, server.add(make.iso(), "iso")).format == "raw"


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (lambda server, body: server.add(body, sha512="ab" * 64), ImageDamaged),
        (lambda server, body: server.add(body, size=len(body) - 1), ImageDamaged),
        (lambda server, body: server.add(body, size=len(body) + 1), ImageDamaged),
        (lambda server, body: server.add(body, "qcow2"), ImageRefused),
        (lambda server, body: server.add(body, "vmdk"), ImageRefused),
        (lambda server, body: server.add(make.qcow2(), "raw"), ImageRefused),
        (lambda server, body: server.add(make.qcow2(backing=(512, 9)), "qcow2"), ImageRefused),
        (lambda server, body: server.add(body, sha512="../../../etc/passwd"), StorageError),
        (lambda server, body: server.add(body, sha512="AB" * 64), StorageError),
    ],
)
def test_wrong_bytes_are_never_kept(
    tmp_path: Path,
    server: ImageServer,
    spoil: Callable[[ImageServer, bytes], ImageSpec],
    error: type[Exception],
) -> None:
    with pytest.raises(error):
        fetch(cache(tmp_path), spoil(server, b"x" * 300_000))
    assert files(tmp_path) == []


@pytest.mark.parametrize("status", [302, 401, 403, 404, 500])
def test_refusals_and_redirects_are_errors(tmp_path: Path, server: ImageServer, status: int) -> None:
    """A redirect is not followed: the node's secret goes to the image service only."""
    image = server.add(b"x" * 100)
    server.statuses[f"/{image.id}"] = status
    with pytest.raises(StorageError, match=str(status)) as caught:
        fetch(cache(tmp_path), image)
    assert SECRET not in str(caught.value.as_dict())
    assert server.requests == [(f"/{image.id}", "node1", SECRET)]
    assert files(tmp_path) == []


def test_a_cut_connection_is_an_error_and_the_next_try_works(tmp_path: Path, server: ImageServer) -> None:
    store, image = cache(tmp_path), server.add(b"x" * 300_000)
    server.cut[f"/{image.id}"] = 200_000
    with pytest.raises((StorageError, ImageDamaged)):
        fetch(store, image)
    assert files(tmp_path) == []
    del server.cut[f"/{image.id}"]
    assert fetch(store, image).virtual_size_bytes == 300_000


def test_an_unreachable_service_is_an_error(tmp_path: Path, server: ImageServer) -> None:
    image = msgspec.structs.replace(server.add(b"x"), url="http://127.0.0.1:9/x")
    with pytest.raises(StorageError, match="could not be fetched"):
        fetch(cache(tmp_path), image)


def test_many_callers_share_one_download(tmp_path: Path, server: ImageServer) -> None:
    server.gate = threading.Event()
    store, image = cache(tmp_path), server.add(b"x" * 300_000)
    with ThreadPoolExecutor(6) as callers:
        waiting = [callers.submit(fetch, store, image) for _ in range(6)]
        until = time.monotonic() + 20
        while not server.requests and time.monotonic() < until:
            time.sleep(0.005)
        server.gate.set()
        assert len({call.result(30) for call in waiting}) == 1
    assert len(server.requests) == 1


def test_waiting_for_another_download_is_bounded(tmp_path: Path, server: ImageServer) -> None:
    server.gate = threading.Event()
    store, image = cache(tmp_path), server.add(b"x" * 300_000)
    with ThreadPoolExecutor(1) as callers:
        first = callers.submit(fetch, store, image)
        until = time.monotonic() + 20
        while not server.requests and time.monotonic() < until:
            time.sleep(0.005)
        with pytest.raises(StorageError, match="in time"), store.hold(image, nothing, deadline_s=0.1):
            pass
        server.gate.set()
        first.result(30)


def test_a_damaged_file_is_fetched_again(tmp_path: Path, server: ImageServer) -> None:
    store, image = cache(tmp_path), server.add(b"x" * 300_000)
    path = fetch(store, image).path
    path.unlink()
    path.write_bytes(b"half")
    assert fetch(store, image).path.read_bytes() == b"x" * 300_000
    assert len(server.requests) == 2


def test_the_recorded_format_beats_a_later_declaration(tmp_path: Path, server: ImageServer) -> None:
    store = cache(tmp_path)
    image = server.add(make.qcow2(), "qcow2")
    fetch(store, image)
    with pytest.raises(ImageRefused, match="declared raw"):
        fetch(store, msgspec.structs.replace(image, disk_format="raw"))


def test_the_oldest_unused_goes_first_and_the_bound_holds(tmp_path: Path, server: ImageServer) -> None:
    store = cache(tmp_path, max_bytes=350_000)
    images = [server.add(bytes([number]) * 100_000) for number in range(1, 6)]
    for age, image in enumerate(images[:3]):
        fetch(store, image)
        os.utime(tmp_path / "cache" / f"{image.sha512}.json", (age, age))
    fetch(store, images[0])  # used again: no longer the oldest
    in_use = {images[1].sha512}
    fetch(store, images[3], lambda: in_use)
    kept = {name for name in files(tmp_path) if not name.endswith(".json")}
    assert kept == {images[0].sha512, images[1].sha512, images[3].sha512}


def test_what_is_unused_for_long_goes_though_there_is_room(tmp_path: Path, server: ImageServer) -> None:
    store = cache(tmp_path, unused_s=86400.0)
    old, new, used, held = (server.add(bytes([number]) * 1000) for number in range(1, 5))
    for image in (old, new, used, held):
        fetch(store, image)
    with store.hold(held, nothing):
        for image in (old, used, held):
            os.utime(tmp_path / "cache" / f"{image.sha512}.json", (0, 0))
        assert store.drop_unused(lambda: {used.sha512}) == 1000
        assert {name for name in files(tmp_path) if len(name) == 128} == {new.sha512, used.sha512, held.sha512}
    assert cache(tmp_path).drop_unused(nothing) == 0, "no age, no end"


def test_held_and_used_images_are_never_evicted(tmp_path: Path, server: ImageServer) -> None:
    store = cache(tmp_path, max_bytes=250_000)
    one, two, three = (server.add(bytes([number]) * 100_000) for number in range(1, 4))
    with store.hold(one, nothing):
        fetch(store, two)
        with pytest.raises(StorageError, match="image_cache_gib"):
            fetch(store, three, lambda: {two.sha512})
        assert files(tmp_path) == sorted([one.sha512, f"{one.sha512}.json", two.sha512, f"{two.sha512}.json"])
    fetch(store, three, lambda: {two.sha512})


def test_img_18_many_images_stay_within_the_bound(tmp_path: Path, server: ImageServer) -> None:
    store, bound = cache(tmp_path, max_bytes=50_000), 50_000
    worst = 0
    for number in range(200):
        fetch(store, server.add(number.to_bytes(2, "big") * 2000))
        sizes = [path.stat().st_size for path in (tmp_path / "cache").iterdir() if len(path.name) == 128]
        worst = max(worst, sum(sizes))
    assert 0 < worst <= bound
    assert len(list((tmp_path / "cache").iterdir())) < 50


CHILD = """
import sys
from pathlib import Path
import msgspec
from common.rpc.compute_v1 import ImageSpec
from tests.unit.storage.test_image_cache import cache, fetch
fetch(cache(Path(sys.argv[1])), msgspec.json.decode(sys.argv[2], type=ImageSpec))
"""


def test_img_18_kill_9_at_any_point_leaves_a_working_cache(tmp_path: Path, server: ImageServer) -> None:
    body = random.Random(7).randbytes(8 * MIB)
    image = server.add(body)
    words = [sys.executable, "-c", CHILD, str(tmp_path), msgspec.json.encode(image).decode()]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    for point in range(8):
        seen = len(server.requests)
        child = subprocess.Popen(words, env=env)
        until = time.monotonic() + 60
        while len(server.requests) == seen and child.poll() is None and time.monotonic() < until:
            time.sleep(0.002)
        time.sleep(point * 0.008)  # the point of the fetch it dies at
        child.send_signal(signal.SIGKILL)
        child.wait(30)
        path = tmp_path / "cache" / image.sha512
        note = path.with_name(f"{image.sha512}.json")
        if note.exists():
            assert hashlib.sha512(path.read_bytes()).hexdigest() == image.sha512
            note.unlink()
            path.unlink()
    assert fetch(cache(tmp_path), image).path.read_bytes() == body
    assert files(tmp_path) == [image.sha512, f"{image.sha512}.json"]
