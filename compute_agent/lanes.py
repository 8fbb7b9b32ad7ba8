"""Work in lanes: one after the other within a lane (an instance), side by side between lanes, over a bounded pool.

A piece of work may ask to be looked at again later (a guest is shutting down): it keeps its place at the head of its
lane but no worker, so that a hundred guests can take a minute to shut down while others start.
"""

from __future__ import annotations

import heapq
import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from common.clock import Clock

T = TypeVar("T")
_IDLE_S = 0.5


@dataclass
class _Entry(Generic[T]):
    item: T
    not_before: float
    urgent: bool


@dataclass
class _Lane(Generic[T]):
    entries: deque[_Entry[T]] = field(default_factory=deque)
    running: bool = False
    hurried: bool = False


class Lanes(Generic[T]):
    """`run` does one piece of work and returns None when it is over, or after how many seconds to look at it again."""

    def __init__(self, run: Callable[[T], float | None], clock: Clock) -> None:
        self._run = run
        self._clock = clock
        self._changed = threading.Condition()
        self._lanes: dict[str, _Lane[T]] = {}
        self._ready: list[tuple[float, int, str]] = []
        self._order = itertools.count()
        self._watchers: list[set[str]] = []

    def put(self, key: str, item: T, *, urgent: bool = False) -> None:
        """Queue work; urgent work goes before all that waits in its lane."""
        with self._changed:
            lane = self._lanes.setdefault(key, _Lane())
            now = self._clock.monotonic()
            if lane.entries:
                lane.entries[0].not_before = now  # what waits at the head may see that it is no longer wanted
            entry = _Entry(item, now, urgent)
            if urgent:
                lane.entries.appendleft(entry)
            else:
                lane.entries.append(entry)
            self._touch(key)
            self._make_ready(key, lane)

    def look_now(self, key: str) -> None:
        """Let what waits in a lane to be looked at again be looked at at once; a lane that is idle stays so."""
        with self._changed:
            lane = self._lanes.get(key)
            if lane is None:
                return
            lane.hurried = lane.running  # it may have looked before whatever there is to see
            if lane.entries and not lane.running:
                lane.entries[0].not_before = self._clock.monotonic()
                self._make_ready(key, lane)

    def waiting(self, key: str) -> list[T]:
        """What is queued in a lane, without what is being worked on."""
        with self._changed:
            lane = self._lanes.get(key)
            return [entry.item for entry in lane.entries] if lane else []

    def busy(self, key: str) -> bool:
        """True while anything of the lane is queued, worked on or to be looked at again."""
        with self._changed:
            return key in self._lanes

    @contextmanager
    def watch(self) -> Iterator[set[str]]:
        """The lanes that were busy at any time while the block ran; complete when it ends."""
        with self._changed:
            touched = set(self._lanes)
            self._watchers.append(touched)
        try:
            yield touched
        finally:
            with self._changed:
                self._watchers = [each for each in self._watchers if each is not touched]

    def work(self, stop: threading.Event) -> None:
        """A worker's life: until `stop` is set."""
        while not stop.is_set():
            with self._changed:
                key = self._take()
                if key is None:
                    self._changed.wait(min(_IDLE_S, self._until_next()))
                    continue
            self._step(key)

    def wake(self) -> None:
        """Let idle workers see that they should stop."""
        with self._changed:
            self._changed.notify_all()

    def run_pending(self) -> None:
        """Do all that is queued in the calling thread; wait, by the clock, for what is to be looked at again."""
        while True:
            with self._changed:
                key = self._take()
                pause_s = self._until_next() if key is None else 0.0
                if key is None and not self._ready:
                    return
            if key is None:
                self._clock.sleep(pause_s)
                continue
            self._step(key)

    def _take(self) -> str | None:
        """A lane whose head is due, marked as running; the caller holds the lock."""
        now = self._clock.monotonic()
        while self._ready and self._ready[0][0] <= now:
            _, _, key = heapq.heappop(self._ready)
            lane = self._lanes.get(key)
            if lane is None or lane.running or not lane.entries:
                continue
            if lane.entries[0].not_before > now:
                self._make_ready(key, lane)
                continue
            lane.running, lane.hurried = True, False
            return key
        return None

    def _until_next(self) -> float:
        return max(0.0, self._ready[0][0] - self._clock.monotonic()) if self._ready else _IDLE_S

    def _step(self, key: str) -> None:
        with self._changed:
            lane = self._lanes[key]
            entry = lane.entries.popleft()
        again_s: float | None = None
        try:
            again_s = self._run(entry.item)
        finally:
            with self._changed:
                lane.running = False
                if again_s is not None:
                    entry.not_before = self._clock.monotonic() + (0.0 if lane.hurried else again_s)
                    place = sum(1 for each in lane.entries if each.urgent and not entry.urgent)
                    lane.entries.insert(place, entry)
                self._touch(key)
                if lane.entries:
                    self._make_ready(key, lane)
                else:
                    del self._lanes[key]

    def _make_ready(self, key: str, lane: _Lane[T]) -> None:
        if not lane.running and lane.entries:
            heapq.heappush(self._ready, (lane.entries[0].not_before, next(self._order), key))
            self._changed.notify()

    def _touch(self, key: str) -> None:
        for touched in self._watchers:
            touched.add(key)
