"""What the folder of volumes remembers of each: the generation last obeyed, also after a removal, for seven days.

A late command of before a removal would otherwise make a volume again that nobody has any more. The notes lie in the
folder itself, so that all nodes that share it know the same.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from common.clock import Clock
from common.errors import StorageError
from compute_agent import durable

KEEP_S = 7 * 24 * 3600.0
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """at: when it was obeyed."""

    generation: int
    at: datetime


class Notes:
    """One file per volume. Raises StorageError when the folder can't be read or written."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = durable.make_folder(folder)
        self._clock = clock

    def generation(self, volume_id: str) -> int:
        try:
            return msgspec.json.decode(self._path(volume_id).read_bytes(), type=Note).generation
        except FileNotFoundError:
            return 0
        except (OSError, msgspec.DecodeError) as err:
            raise StorageError(f"what this node knows of volume {volume_id} is not readable", detail=str(err)) from err

    def obeyed(self, volume_id: str, generation: int) -> None:
        if self.generation(volume_id) >= generation:
            return
        note = Note(generation=generation, at=self._clock.now())
        try:
            durable.write(self._path(volume_id), msgspec.json.encode(note))
        except OSError as err:
            raise StorageError(f"nothing can be noted of volume {volume_id} on this node", detail=str(err)) from err

    def purge(self, lives: set[str]) -> int:
        """Forget volumes that are gone for longer than any command can be late; how many."""
        before, gone = self._clock.now() - timedelta(seconds=KEEP_S), 0
        for path in self._folder.glob(f"*{durable.SUFFIX}"):
            if path.stem in lives:
                continue
            try:
                note = msgspec.json.decode(path.read_bytes(), type=Note)
            except (OSError, msgspec.DecodeError):
                continue  # left for a person to see
            if note.at < before:
                path.unlink(missing_ok=True)
                gone += 1
        return gone

    def _path(self, volume_id: str) -> Path:
        return self._folder / f"{checked(volume_id)}{durable.SUFFIX}"


def checked(resource_id: str) -> str:
    """An id that may become a file name. Raises StorageError for anything else."""
    if not _ID.fullmatch(resource_id):
        raise StorageError(f"{resource_id[:80]!r} is not an id")
    return resource_id
