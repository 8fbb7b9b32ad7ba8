"""Files in the folder of volumes that the cloud does not manage: handed out by it, or put there by an administrator.

    <folder>/unmanaged/<name>.qcow2 or .raw              may become volumes
    <folder>/unmanaged-snapshots/<name>.qcow2            may become snapshots of a volume

They come in and go out by one link and one unlink, so that no byte is copied, nothing is ever overwritten, and a killed
agent goes on where it was. What a file is its name says; its header is looked at before it becomes anything.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

from common.errors import ImageRefused, StorageError
from common.rpc.queries_v1 import UnmanagedFile
from compute_agent.storage import ownership

FORMATS = ("qcow2", "raw")
MOST = 1000  # files in one answer
Size = Callable[[Path, str], int]
"""The virtual size of a file of this format, in bytes. Raises ImageRefused for one that is not safe to use."""
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}")


class Kind(StrEnum):
    VOLUMES = "unmanaged"
    SNAPSHOTS = "unmanaged-snapshots"


class UnmanagedFiles:
    """All verbs are idempotent and raise StorageError."""

    def __init__(self, folder: Path, size: Size) -> None:
        self._folder, self._size = folder, size

    def list_all(self, kind: Kind) -> list[UnmanagedFile]:
        """By name; of those that can't be taken in with the reason."""
        folder = self._folder / kind
        try:
            paths = sorted(folder.iterdir())[:MOST] if folder.is_dir() else []
        except OSError as err:
            raise StorageError("the folder of unmanaged files can't be read", detail=str(err)) from err
        return [self._entry(path, kind) for path in paths if _NAME.fullmatch(path.name)]

    def _entry(self, path: Path, kind: Kind) -> UnmanagedFile:
        try:
            return UnmanagedFile(
                name=path.name, disk_format=self._format(path, kind), size_bytes=self._checked(path, kind)
            )
        except (StorageError, ImageRefused) as err:
            return UnmanagedFile(name=path.name, disk_format="", size_bytes=0, unsafe=err.message)

    def take_in(self, kind: Kind, name: str, target: Path, disk_format: str) -> None:
        """Make the file `target`. Raises StorageError for one that is not there, not safe, or of another format."""
        path = self._path(kind, name)
        if not target.exists():
            if self._format(path, kind) != disk_format:
                raise StorageError(f"the unmanaged file {name} is not {disk_format}")
            try:
                self._checked(path, kind)
            except ImageRefused as err:
                raise StorageError(f"the unmanaged file {name} can't be used: {err.message}") from err
            path.chmod(ownership.PRIVATE)
        _move(path, target)

    def hand_out(self, kind: Kind, path: Path, name: str) -> None:
        """The reverse. Succeeds when the file is not there any more."""
        target = self._path(kind, name)
        try:
            target.parent.mkdir(mode=0o700, exist_ok=True)
        except OSError as err:
            raise StorageError("the folder of unmanaged files can't be made", detail=str(err)) from err
        _move(path, target)

    def _checked(self, path: Path, kind: Kind) -> int:
        try:
            found = path.lstat()
        except OSError as err:
            raise StorageError(f"the unmanaged file {path.name} is not on this node", detail=str(err)) from err
        if not stat.S_ISREG(found.st_mode):
            raise StorageError(f"{path.name} is no plain file")
        return self._size(path, self._format(path, kind))

    def _format(self, path: Path, kind: Kind) -> str:
        allowed = FORMATS if kind is Kind.VOLUMES else FORMATS[:1]
        found = path.suffix.removeprefix(".")
        if found not in allowed:
            raise StorageError(f"the name of {path.name} does not end with {' or '.join(allowed)}")
        return found

    def _path(self, kind: Kind, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise StorageError(f"{name[:80]!r} is no name of an unmanaged file")
        return self._folder / kind / name


def _move(path: Path, target: Path) -> None:
    """Without ever replacing anything; one that was moved already stays."""
    try:
        if path.exists() and not (target.exists() and path.samefile(target)):
            os.link(path, target, follow_symlinks=False)
        path.unlink(missing_ok=True)
    except OSError as err:
        raise StorageError(f"{path.name} could not become {target.name} on this node", detail=str(err)) from err
