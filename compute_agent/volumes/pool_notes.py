"""What a pool remembers of each volume, as a folder of volumes does (notes.py), for all nodes that reach it."""

from __future__ import annotations

import random
from datetime import timedelta

import msgspec

from common.clock import Clock
from common.errors import StorageError
from compute_agent.storage.rbd import RbdPool
from compute_agent.volumes.notes import KEEP_S, Note

_AT_ONCE = 20  # that one round looks at, chosen by lot: each costs a call of a tool
_rng = random.Random()


class PoolNotes:
    """Raises StorageError, ToolFailed."""

    def __init__(self, pool: RbdPool, clock: Clock) -> None:
        self._pool, self._clock = pool, clock

    def generation(self, volume_id: str) -> int:
        note = self._note(volume_id)
        return 0 if note is None else note.generation

    def obeyed(self, volume_id: str, generation: int) -> None:
        if self.generation(volume_id) >= generation:
            return
        note = Note(generation=generation, at=self._clock.now())
        self._pool.set_note(volume_id, msgspec.json.encode(note).decode())

    def purge(self, lives: set[str]) -> int:
        """Forget volumes that are gone for longer than any command can be late, some of them at a time; how many."""
        before, gone = self._clock.now() - timedelta(seconds=KEEP_S), 0
        others = sorted(self._pool.noted() - lives)
        for volume_id in _rng.sample(others, min(_AT_ONCE, len(others))):
            note = self._note(volume_id)
            if note is not None and note.at < before:
                self._pool.forget_note(volume_id)
                gone += 1
        return gone

    def _note(self, volume_id: str) -> Note | None:
        said = self._pool.note(volume_id)
        try:
            return None if said is None else msgspec.json.decode(said, type=Note)
        except msgspec.DecodeError as err:
            raise StorageError(f"what the pool knows of volume {volume_id} is not readable", detail=str(err)) from err
