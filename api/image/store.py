"""The image store: one file per image, named by the image's id, in a folder that all API hosts share.

An upload goes to staging/<upload id> first, which its process keeps locked, and is renamed into place when it is
complete. Only ids that we made or checked become file names; nothing a user wrote does (security case IMG-15).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

from common.errors import ImageDamaged, StorageError
from common.ids import new_id

CHUNK_BYTES = 1024 * 1024
_FILE_MODE = 0o640
_FOLDER_MODE = 0o750


@dataclass(frozen=True)
class ImageStore:
    root: Path

    @classmethod
    def at(cls, folder: str) -> ImageStore:
        return cls(Path(folder))

    def stage(self, upload_id: str) -> BinaryIO:
        """A new, locked, empty file for one upload. The lock tells `stale_uploads` that its process lives."""
        path = self._staged(upload_id)
        for folder in (self.root, path.parent):
            folder.mkdir(mode=_FOLDER_MODE, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _FILE_MODE)
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.fdopen(handle, "wb", buffering=0)

    def publish(self, upload_id: str, image_id: str) -> None:
        """Move a complete, synced upload into place. Doing it again changes nothing."""
        final = self._path(image_id)
        try:
            os.rename(self._staged(upload_id), final)
        except FileNotFoundError:
            if not final.exists():
                raise
        _sync_folder(self.root)

    def place(self, source: Path, image_id: str) -> None:
        """Let a complete, synced file be the image's bytes: by a second name where that can be, else by a copy.

        Doing it again changes nothing. Raises StorageError when the store is full.
        """
        upload_id = new_id()
        part = self._staged(upload_id)
        for folder in (self.root, part.parent):
            folder.mkdir(mode=_FOLDER_MODE, exist_ok=True)
        try:
            try:
                with _guarded(source):
                    os.link(source, part)
                    os.rename(part, self._path(image_id))
            except OSError as err:
                if err.errno not in (errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK):
                    raise
                with source.open("rb") as file, self.stage(upload_id) as copy:
                    while chunk := file.read(CHUNK_BYTES):
                        write_all(copy, chunk)
                    os.fsync(copy.fileno())
                    os.rename(part, self._path(image_id))
            _sync_folder(self.root)
        finally:
            part.unlink(missing_ok=True)  # also after rename(2) of two names of one file, which does nothing

    def keep(self, upload_id: str) -> None:
        """A complete, synced upload waits for its import; `discard` takes it away."""
        path = self._kept(upload_id)
        path.parent.mkdir(mode=_FOLDER_MODE, exist_ok=True)
        os.rename(self._staged(upload_id), path)
        _sync_folder(path.parent)

    def has_kept(self, upload_id: str) -> bool:
        return self._kept(upload_id).exists()

    def kept_path(self, upload_id: str) -> Path:
        return self._kept(upload_id)

    def staged_path(self, upload_id: str) -> Path:
        return self._staged(upload_id)

    def image_path(self, image_id: str) -> Path:
        return self._path(image_id)

    def has(self, image_id: str) -> bool:
        return self._path(image_id).exists()

    def kept_before(self, before: float) -> list[str]:
        """What has been waiting for its import since before this time (seconds since 1970)."""
        folder = self.root / "kept"
        if not folder.is_dir():
            return []
        return [path.name for path in sorted(folder.iterdir()) if _is_id(path.name) and path.stat().st_mtime < before]

    def discard(self, upload_id: str) -> None:
        self._staged(upload_id).unlink(missing_ok=True)
        self._kept(upload_id).unlink(missing_ok=True)

    def remove(self, image_id: str) -> None:
        """Readers that have the file open keep it until they close it."""
        self._path(image_id).unlink(missing_ok=True)

    def open(self, image_id: str, expected_bytes: int) -> BinaryIO:
        """Raises ImageDamaged when the file is missing or doesn't have the recorded length."""
        try:
            file = self._path(image_id).open("rb")
        except OSError as err:
            raise ImageDamaged(f"The data of image {image_id} can't be read.", detail=str(err)) from err
        actual = os.fstat(file.fileno()).st_size
        if actual != expected_bytes:
            file.close()
            raise ImageDamaged(
                f"The data of image {image_id} is damaged.", detail=f"{actual} bytes in the store, not {expected_bytes}"
            )
        return file

    def image_ids(self) -> list[str]:
        """The ids of all images that have a file here."""
        if not self.root.is_dir():
            return []
        return [path.name for path in self.root.iterdir() if path.is_file() and _is_id(path.name)]

    def has_upload(self, upload_id: str) -> bool:
        return self._staged(upload_id).exists()

    def stale_uploads(self, before: float) -> list[str]:
        """Uploads last written to before this time (seconds since 1970) by a process that is gone."""
        folder = self.root / "staging"
        if not folder.is_dir():
            return []
        return [path.name for path in sorted(folder.iterdir()) if _is_id(path.name) and _is_stale(path, before)]

    def _path(self, image_id: str) -> Path:
        return self.root / str(UUID(image_id))

    def _kept(self, upload_id: str) -> Path:
        return self.root / "kept" / str(UUID(upload_id))

    def _staged(self, upload_id: str) -> Path:
        return self.root / "staging" / str(UUID(upload_id))


def write_all(file: BinaryIO, chunk: bytes) -> None:
    """Write a whole chunk. Raises StorageError (413, as Glance answers) when the store is full."""
    view = memoryview(chunk)
    try:
        while view:
            view = view[file.write(view) :]
    except OSError as err:
        _refuse_full(err)
        raise


def sync(file: BinaryIO) -> None:
    """After this the bytes survive a power cut. Raises StorageError as `write_all`."""
    try:
        os.fsync(file.fileno())
    except OSError as err:
        _refuse_full(err)
        raise


def _refuse_full(err: OSError) -> None:
    if err.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        raise StorageError(
            "There is not enough disk space in the image store; ask its operator.", detail=str(err), http_status=413
        ) from err


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _guarded(path: Path) -> Iterator[None]:
    """A second name of this file is no stale upload meanwhile, however old its bytes are."""
    with path.open("rb") as file:
        with contextlib.suppress(BlockingIOError):  # locked by this process itself, which serves as well
            fcntl.flock(file.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)
        yield


def _is_stale(path: Path, before: float) -> bool:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        if os.fstat(handle).st_mtime >= before:
            return False
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(handle)
    return True


def _is_id(name: str) -> bool:
    try:
        return str(UUID(name)) == name
    except ValueError:
        return False
