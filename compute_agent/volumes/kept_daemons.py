"""Storage daemons that are to run until they are ended, whatever dies meanwhile: one record on the disk for each.

The record comes before the daemon and goes before it, so that what is to be is known at every moment; `heal` makes it
so. Nothing is started whose record went in the same moment: an export that was withdrawn must never come back.
"""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import msgspec

from common import log
from common.errors import StorageError
from compute_agent import durable
from compute_agent.volumes.daemons import StorageDaemons

logger = logging.getLogger(__name__)


class Record(Protocol):
    @property
    def id(self) -> str: ...


_R = TypeVar("_R", bound=Record)


class KeptDaemons(Generic[_R]):
    """start: ensures the daemon of a record, True when it was started; raises StorageError."""

    def __init__(self, folder: Path, kind: type[_R], daemons: StorageDaemons, start: Callable[[_R], bool]) -> None:
        self._folder, self._kind, self._daemons, self._start = durable.make_folder(folder), kind, daemons, start
        self._guard = threading.Lock()
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._failing: set[str] = set()

    def get(self, daemon_id: str) -> _R | None:
        """Raises StorageError for one that is not readable."""
        try:
            return msgspec.json.decode(self._path(daemon_id).read_bytes(), type=self._kind)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError) as err:
            raise StorageError(
                f"what is kept of the storage daemon {daemon_id} is not readable", detail=str(err)
            ) from err

    def all(self) -> list[_R]:
        return list(durable.read_all(self._folder, self._kind))

    def ensure(self, record: _R) -> None:
        """From now on it is to run as the record says, and does. Raises StorageError."""
        with self._lock(record.id):
            known = self.get(record.id)
            if known != record:
                if known is not None:
                    self._daemons.end(record.id)
                self._write(record)
            self._start(record)

    def end(self, daemon_id: str) -> None:
        """From now on it is not to run, and has ended. Raises StorageError."""
        with self._lock(daemon_id):
            self._path(daemon_id).unlink(missing_ok=True)
            durable.sync_folder(self._folder)
            self._daemons.end(daemon_id)
            self._failing.discard(daemon_id)

    @contextmanager
    def ended(self, daemon_id: str) -> Iterator[None]:
        """It has ended within the block, and is started again after it if it is wanted still. Raises StorageError."""
        with self._lock(daemon_id):
            self._daemons.end(daemon_id)
            try:
                yield
            finally:
                self._start_wanted(daemon_id)

    def heal(self) -> int:
        """How many were started. What can't be healed is logged once, and tried again the next time."""
        for daemon_id in self._daemons.running():
            self._tried(daemon_id, self._end_unwanted)
        return sum(self._tried(record.id, self._start_wanted) for record in self.all())

    def _end_unwanted(self, daemon_id: str) -> bool:
        if not self._path(daemon_id).exists():
            self._daemons.end(daemon_id)
        return False

    def _start_wanted(self, daemon_id: str) -> bool:
        record = self.get(daemon_id)
        return record is not None and self._start(record)

    def _tried(self, daemon_id: str, work: Callable[[str], bool]) -> bool:
        try:
            with self._lock(daemon_id):
                started = work(daemon_id)
        except StorageError as err:
            if daemon_id not in self._failing:
                log.event(
                    logger, "storage_daemon.not_healed", logging.ERROR, daemon_id=daemon_id, reason=err.message,
                    detail=err.detail,
                )  # fmt: skip
            self._failing.add(daemon_id)
            return False
        if started:
            self._failing.discard(daemon_id)
            log.event(logger, "storage_daemon.started_again", logging.WARNING, daemon_id=daemon_id)
        return started

    def _write(self, record: _R) -> None:
        try:
            durable.write(self._path(record.id), msgspec.json.encode(record))
        except OSError as err:
            raise StorageError(f"the storage daemon {record.id} can't be noted", detail=str(err)) from err

    def _lock(self, daemon_id: str) -> threading.Lock:
        with self._guard:
            return self._locks[daemon_id]

    def _path(self, daemon_id: str) -> Path:
        return self._folder / f"{daemon_id}{durable.SUFFIX}"
