"""Where backups are kept, as the agent sees it: objects with names, in folders of a folder, or in a bucket."""

from __future__ import annotations

import re
from typing import Protocol

from common.errors import StorageError

_LOCATION = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_OBJECT = re.compile(r"[a-z0-9]{1,32}")


class BackupStore(Protocol):
    """A location is the id of the backup that first wrote there. All verbs raise common.errors.StorageError."""

    def put(self, location: str, name: str, data: bytes) -> None:
        """Keep an object; it is whole and on the disk, or not there. One of the same name is replaced."""
        ...

    def get(self, location: str, name: str) -> bytes:
        """Raises StorageError, too, when there is none."""
        ...

    def remove(self, location: str) -> None:
        """Remove all objects of a location. Succeeds when there is none."""
        ...


def check_names(location: str, name: str = "x") -> None:
    """Both come from the bus, and lead into a folder. Raises StorageError."""
    if not _LOCATION.fullmatch(location) or not _OBJECT.fullmatch(name):
        raise StorageError(f"{location[:80]!r}, {name[:40]!r}: no name of a backup's object")
