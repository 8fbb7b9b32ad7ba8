"""Files that one import makes on its way: in the store's staging folder, locked as long as they are needed, gone at the end."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from api.image.store import ImageStore
from common.ids import new_id


@dataclass(frozen=True)
class Scratch:
    path: Path
    file: BinaryIO  # open for writing


class Workspace:
    """What a killed process leaves is no longer locked, and is swept up with broken uploads."""

    def __init__(self, store: ImageStore) -> None:
        self._store = store
        self._made: dict[str, BinaryIO] = {}

    def __enter__(self) -> Workspace:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _err: BaseException | None, _at: TracebackType | None
    ) -> None:
        for upload_id, file in self._made.items():
            file.close()
            self._store.discard(upload_id)

    def new(self) -> Scratch:
        upload_id = new_id()
        file = self._store.stage(upload_id)
        self._made[upload_id] = file
        return Scratch(self._store.staged_path(upload_id), file)
