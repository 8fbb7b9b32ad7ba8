"""The node's image cache: files named by their sha512, fetched with the node's secret, proved before they are used.

A file gets its final name only after its hash and length were right and the inspector found it to be what was declared.
A note beside it (`<sha512>.json`) says what that was; nothing ever guesses a format again. The cache is bounded: the
images unused for longest go first, and never one that is held or that a disk is built on.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import logging
import os
import re
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from common import log
from common.clock import Clock
from common.deadlines import ENSURE_INSTANCE_S, IMAGE_DOWNLOAD_IDLE_S
from common.errors import ImageDamaged, ImageRefused, StorageError
from common.image_inspector import InspectedImage, Inspector
from common.rpc.command_base import ImageSpec
from common.rpc.queries_v1 import CachedImageEntry
from common.secret import Secret
from compute_agent import identity
from compute_agent.storage import ownership

logger = logging.getLogger(__name__)
SHA512 = re.compile(r"[0-9a-f]{128}")
_CONNECT_S = 5.0
_LOCK_POLL_S = 0.05
_CHUNK_BYTES = 1024 * 1024
_DROP_WAIT_S = 2.0  # for a fetch that makes room just now
_BOOTABLE = {"qcow2": "qcow2", "raw": "raw", "iso": "raw", "ami": "raw"}  # declared: as QEMU is told


class _Note(msgspec.Struct, frozen=True, kw_only=True):
    disk_format: str
    size_bytes: int
    virtual_size_bytes: int


@dataclass(frozen=True)
class CachedImage:
    """A proved image on this node. `format` is what QEMU is told: qcow2 or raw."""

    sha512: str
    path: Path
    format: str
    virtual_size_bytes: int


class ImageCache:
    """One per agent. `secret` is the node's, shown to the image service; max_bytes bounds all files together.

    unused_s: an image that nobody has used for so long goes though there is room; 0: never.
    ca_file: what the image service's certificate is checked with; "" for well-known authorities.
    """

    def __init__(
        self,
        folder: Path,
        *,
        node: str,
        secret: Secret,
        max_bytes: int,
        max_virtual_bytes: int,
        clock: Clock,
        ca_file: str = "",
        unused_s: float = 0.0,
    ) -> None:
        self._folder = folder
        self._node = node
        self._secret = secret
        self._max_bytes = max_bytes
        self._max_virtual_bytes = max_virtual_bytes
        self._unused_s = unused_s
        self._verify: bool | str = ca_file or True
        self._clock = clock
        self._group = ownership.qemu_group()
        self._held: Counter[str] = Counter()
        self._lock = threading.Lock()
        ownership.make_folder(folder, self._group)
        self._remove_partial()

    @contextlib.contextmanager
    def hold(
        self,
        image: ImageSpec,
        in_use: Callable[[], Collection[str]],
        *,
        deadline_s: float = ENSURE_INSTANCE_S,
        in_advance: bool = False,
    ) -> Iterator[CachedImage]:
        """The image as a file, fetched if need be, and kept from eviction inside the block.

        in_use: the sha512 of images that disks are built on. Callers for one image share one download. in_advance:
        nothing is made from it now, which is no use that counts. Raises
        StorageError (not reachable, no room, too late), ImageDamaged (wrong bytes), ImageRefused (unsafe bytes).
        """
        if not SHA512.fullmatch(image.sha512):
            raise StorageError(f"image {image.id} has no proper sha512; upload it again", image_id=image.id)
        if image.disk_format not in _BOOTABLE:
            raise ImageRefused(
                f"image {image.id} is {image.disk_format}, and nodes boot {', '.join(_BOOTABLE)} only: convert it",
                image_id=image.id,
            )
        with self._lock:
            self._held[image.sha512] += 1
        try:
            cached = self._ensure(image, in_use, self._clock.monotonic() + deadline_s)
            if not in_advance:
                self._count(image.sha512)
            yield cached
        finally:
            with self._lock:
                self._held[image.sha512] -= 1

    def entries(self) -> list[CachedImageEntry]:
        """What is here, whole. Raises OSError."""
        found = []
        for sha512 in sorted(name for name in self._sizes() if SHA512.fullmatch(name)):
            with contextlib.suppress(FileNotFoundError, msgspec.DecodeError):  # it goes, or comes, just now
                note_path = self._note_path(sha512)
                note = msgspec.json.decode(note_path.read_bytes(), type=_Note)
                fetched_at = datetime.fromtimestamp((self._folder / sha512).stat().st_mtime, UTC)
                used_at = datetime.fromtimestamp(note_path.stat().st_mtime, UTC)
                found.append(
                    CachedImageEntry(
                        sha512=sha512, size_bytes=note.size_bytes, hits=self._hits(sha512), fetched_at=fetched_at,
                        used_at=used_at,
                    )
                )  # fmt: skip
        return found

    def drop(self, sha512s: Collection[str] | None, in_use: Callable[[], Collection[str]]) -> int:
        """Remove these, None: all, but what is in use; how many bytes that were. Raises StorageError, OSError."""
        with self._locked("cache", self._clock.monotonic() + _DROP_WAIT_S):
            here = {name for name in self._sizes() if SHA512.fullmatch(name)}
            return self._remove((here if sha512s is None else here & set(sha512s)) - self._kept(in_use()))

    def drop_unused(self, in_use: Callable[[], Collection[str]]) -> int:
        """Remove what has been unused for too long; how many bytes that were. Raises StorageError, OSError."""
        if not self._unused_s:
            return 0
        before = self._clock.now().timestamp() - self._unused_s
        with self._locked("cache", self._clock.monotonic() + IMAGE_DOWNLOAD_IDLE_S):
            old = {name for name in self._sizes() if SHA512.fullmatch(name) and self._last_use(name) < before}
            return self._remove(old - self._kept(in_use())) if old else 0

    def _ensure(self, image: ImageSpec, in_use: Callable[[], Collection[str]], until: float) -> CachedImage:
        try:
            with self._locked(image.sha512, until):
                cached = self._cached(image)
                if cached is None:
                    self._fetch(image, in_use, until)
                    cached = self._cached(image)
        except OSError as err:
            raise StorageError(
                f"image {image.id} could not be kept on this node; see the node's log",
                detail=f"{err}",
                image_id=image.id,
            ) from err
        if cached is None:
            raise StorageError(f"image {image.id} vanished from the node's cache; try again", image_id=image.id)
        return cached

    def _cached(self, image: ImageSpec) -> CachedImage | None:
        """The image if it is here and whole; its time of use is renewed."""
        path = self._folder / image.sha512
        note_path = self._note_path(image.sha512)
        try:
            note = msgspec.json.decode(note_path.read_bytes(), type=_Note)
            whole = path.stat().st_size == note.size_bytes
        except (FileNotFoundError, msgspec.DecodeError):
            return None
        if not whole:
            return None
        if _BOOTABLE[note.disk_format] != _BOOTABLE[image.disk_format]:
            raise ImageRefused(
                f"image {image.id} was declared {image.disk_format} but its bytes are {note.disk_format}",
                image_id=image.id,
            )
        os.utime(note_path)
        return CachedImage(image.sha512, path, _BOOTABLE[note.disk_format], note.virtual_size_bytes)

    def _fetch(self, image: ImageSpec, in_use: Callable[[], Collection[str]], until: float) -> None:
        partial = self._folder / f"{image.sha512}.part"
        try:
            self._reserve(image, partial, in_use, until)
            found = self._download(image, partial, until)
            ownership.give(partial, ownership.READ_ONLY, self._group)
            note_path = self._note_path(image.sha512)
            note_path.unlink(missing_ok=True)
            ownership.settle(partial)
            partial.rename(self._folder / image.sha512)
            note = _Note(
                disk_format=found.disk_format,
                size_bytes=found.size_bytes,
                virtual_size_bytes=found.virtual_size_bytes,
            )
            new = note_path.with_suffix(".new")
            new.write_bytes(msgspec.json.encode(note))
            ownership.settle(new)
            new.rename(note_path)  # the note makes it count
        finally:
            partial.unlink(missing_ok=True)
        log.event(logger, "image_cache.fetched", image_id=image.id, sha512=image.sha512, size_bytes=found.size_bytes)

    def _download(self, image: ImageSpec, partial: Path, until: float) -> InspectedImage:
        inspector = Inspector(max_virtual_bytes=self._max_virtual_bytes)
        digest = hashlib.sha512()
        received = 0
        with partial.open("r+b") as file:
            for chunk in self._chunks(image):
                received += len(chunk)
                if received > image.size_bytes:
                    raise ImageDamaged(
                        f"image {image.id} is longer than its {image.size_bytes} bytes: upload it again",
                        image_id=image.id,
                    )
                if self._clock.monotonic() > until:
                    raise StorageError(
                        f"image {image.id} did not arrive in time ({received} of {image.size_bytes} bytes)",
                        image_id=image.id,
                    )
                digest.update(chunk)
                inspector.feed(chunk)
                file.write(chunk)
            file.truncate(received)
        if received != image.size_bytes or digest.hexdigest() != image.sha512:
            raise ImageDamaged(
                f"the image service sent other bytes than image {image.id} was recorded with: upload it again",
                detail=f"{received} bytes, sha512 {digest.hexdigest()}",
                image_id=image.id,
            )
        return inspector.finish(image.disk_format)

    def _chunks(self, image: ImageSpec) -> Iterator[bytes]:
        import requests  # here: 5 MiB, which an agent that has all its images, or has just been started, does without

        headers = {**identity.headers(self._node, self._secret), "Accept-Encoding": "identity"}
        try:
            with requests.Session() as session:
                session.trust_env = False  # no proxy of the environment may see the secret
                response = session.get(
                    image.url,
                    headers=headers,
                    stream=True,
                    allow_redirects=False,
                    verify=self._verify,
                    timeout=(_CONNECT_S, IMAGE_DOWNLOAD_IDLE_S),
                )
                with response:
                    if response.status_code != requests.codes.ok:
                        raise StorageError(
                            f"the image service did not give image {image.id} to this node"
                            f" (status {response.status_code})",
                            detail=image.url,
                            image_id=image.id,
                        )
                    yield from response.iter_content(_CHUNK_BYTES)
        except requests.RequestException as err:
            raise StorageError(
                f"image {image.id} could not be fetched from the image service",
                detail=f"{image.url}: {err}",
                image_id=image.id,
            ) from err

    def _reserve(self, image: ImageSpec, partial: Path, in_use: Callable[[], Collection[str]], until: float) -> None:
        """Make room and take it, as an empty file of full length, so that downloads side by side keep the bound."""
        with self._locked("cache", until):
            partial.unlink(missing_ok=True)
            used = self._sizes()
            excess = sum(used.values()) + image.size_bytes - self._max_bytes
            if excess > 0:
                excess -= self._evict(excess, set(in_use()))
            if excess > 0:
                raise StorageError(
                    f"the node's image cache lacks {excess} bytes for image {image.id}: all else in it is in use;"
                    " raise [agent] image_cache_gib",
                    image_id=image.id,
                )
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, ownership.PRIVATE)
            try:
                os.ftruncate(descriptor, image.size_bytes)
            finally:
                os.close(descriptor)

    def _sizes(self) -> dict[str, int]:
        """Length of every image file, whole or being fetched, by file name."""
        names = [name for name in os.listdir(self._folder) if SHA512.fullmatch(name.removesuffix(".part"))]
        return {name: (self._folder / name).stat().st_size for name in names}

    def _evict(self, wanted_bytes: int, in_use: set[str]) -> int:
        """Remove what was unused for longest until wanted_bytes are free; the bytes freed."""
        kept = self._kept(in_use)
        freed = 0
        evictable = [name for name in self._sizes() if name not in kept and SHA512.fullmatch(name)]
        for sha512 in sorted(evictable, key=self._last_use):
            if freed >= wanted_bytes:
                break
            freed += self._remove([sha512])
        return freed

    def _kept(self, in_use: Collection[str]) -> set[str]:
        """What is held now, beside what disks are built on."""
        with self._lock:
            return {*in_use, *(sha512 for sha512, count in self._held.items() if count)}

    def _remove(self, names: Collection[str]) -> int:
        """The bytes freed."""
        freed = 0
        for sha512 in names:
            path = self._folder / sha512
            size = path.stat().st_size
            self._note_path(sha512).unlink(missing_ok=True)
            path.unlink()
            self._uses_path(sha512).unlink(missing_ok=True)
            self._lock_path(sha512).unlink(missing_ok=True)
            freed += size
            log.event(logger, "image_cache.evicted", sha512=sha512, size_bytes=size)
        return freed

    def _last_use(self, sha512: str) -> float:
        try:
            return self._note_path(sha512).stat().st_mtime
        except FileNotFoundError:
            return 0.0

    def _hits(self, sha512: str) -> int:
        """How often it was used; its own fetch is none."""
        try:
            return self._uses_path(sha512).stat().st_size
        except FileNotFoundError:
            return 0

    def _count(self, sha512: str) -> None:
        """One byte more: a count that any number of threads may add to, and that a crash can't damage."""
        with self._uses_path(sha512).open("ab") as file:
            file.write(b".")

    def _uses_path(self, sha512: str) -> Path:
        return self._folder / f"{sha512}.uses"

    def _note_path(self, sha512: str) -> Path:
        return self._folder / f"{sha512}.json"

    def _lock_path(self, name: str) -> Path:
        return self._folder / f"{name}.lock"

    @contextlib.contextmanager
    def _locked(self, name: str, until: float) -> Iterator[None]:
        """An exclusive lock that dies with the process; also between threads, as each opens the file for itself."""
        path = self._lock_path(name)
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, ownership.PRIVATE)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _is_same_file(descriptor, path):
                    break
            except BlockingIOError:
                pass
            os.close(descriptor)
            if self._clock.monotonic() > until:
                raise StorageError("another fetch of the same image did not end in time; try again")
            self._clock.sleep(_LOCK_POLL_S)
        try:
            yield
        finally:
            os.close(descriptor)

    def _remove_partial(self) -> None:
        """What a killed agent left; the agent is the only one here."""
        for left in (*self._folder.glob("*.part"), *self._folder.glob("*.new")):
            left.unlink(missing_ok=True)


def _is_same_file(descriptor: int, path: Path) -> bool:
    """False when the lock file was removed by an eviction after it was opened: that lock guards nothing."""
    try:
        return os.fstat(descriptor).st_ino == path.stat().st_ino
    except FileNotFoundError:
        return False
