"""Calls that may block for ever, on a bounded pool of threads: one serial queue per domain, a deadline per call.

libvirt has no deadlines of its own. A call past its deadline keeps its thread, which then counts as lost, and its
domain is busy until the call returns; other domains go on. With half the threads lost the pool is not healthy, and the
agent restarts itself. Threads are daemons, so that a blocked one can't hold up the exit.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from common import log
from common.errors import HypervisorTimeout

logger = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(eq=False)
class _Job:
    key: str
    what: str
    call: Callable[[], Any]
    future: Future[Any] = field(default_factory=Future)
    started: threading.Event = field(default_factory=threading.Event)
    lost: bool = False


class CallPool:
    """`size` threads; calls with the same key run one after the other, in order."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._condition = threading.Condition()
        self._waiting: dict[str, deque[_Job]] = {}
        self._running: dict[str, _Job] = {}
        self._ready: deque[str] = deque()
        self._closed = False
        for number in range(size):
            threading.Thread(target=self._work, name=f"hypervisor-{number}", daemon=True).start()

    def run(self, key: str, what: str, call: Callable[[], T], deadline_s: float) -> T:
        """The call's result, or what it raises. It may wait for its turn, and then run, for deadline_s each.

        Raises HypervisorTimeout when either takes longer, and at once while an earlier call for `key` is stuck.
        """
        job = _Job(key, what, call)
        with self._condition:
            if self._closed:
                raise HypervisorTimeout("the agent is shutting down; the command is taken up after its restart")
            stuck = self._running.get(key)
            if stuck is not None and stuck.lost:
                raise HypervisorTimeout(f"the guest is busy: {stuck.what} has not come back yet", instance_id=key)
            self._waiting.setdefault(key, deque()).append(job)
            if key not in self._running and len(self._waiting[key]) == 1:
                self._ready.append(key)
                self._condition.notify()
        if not job.started.wait(deadline_s) and self._withdraw(job):
            raise HypervisorTimeout(f"{what} could not begin within {deadline_s:g} s", instance_id=key)
        try:
            return cast(T, job.future.result(deadline_s))
        except TimeoutError as err:
            if job.future.done():
                return cast(T, job.future.result())  # this very moment, or the time-out is the call's own
            self._give_up(job)
            raise HypervisorTimeout(f"{what} did not come back within {deadline_s:g} s", instance_id=key) from err

    def busy(self, key: str) -> bool:
        """True while a call for `key` is stuck."""
        with self._condition:
            job = self._running.get(key)
            return job is not None and job.lost

    def lost(self) -> int:
        with self._condition:
            return sum(job.lost for job in self._running.values())

    def healthy(self) -> bool:
        return self.lost() * 2 < self._size

    def close(self) -> None:
        """Let idle threads end; calls that have not begun fail."""
        with self._condition:
            self._closed = True
            for key in list(self._waiting):
                self._fail_waiting(key, "the agent is shutting down")
            self._condition.notify_all()

    def _work(self) -> None:
        while (job := self._next()) is not None:
            job.started.set()
            try:
                result = job.call()
            except BaseException as err:  # noqa: BLE001 - handed to the caller, who waits for it
                job.future.set_exception(err)
            else:
                job.future.set_result(result)
            self._done(job)

    def _next(self) -> _Job | None:
        with self._condition:
            while True:
                while not self._ready and not self._closed:
                    self._condition.wait()
                if self._closed:
                    return None
                key = self._ready.popleft()
                queue = self._waiting.get(key)
                if not queue or key in self._running:
                    continue  # withdrawn meanwhile, or `_done` will make it ready again
                job = queue.popleft()
                if not queue:
                    del self._waiting[key]
                self._running[key] = job
                return job

    def _done(self, job: _Job) -> None:
        with self._condition:
            del self._running[job.key]
            if self._waiting.get(job.key):
                self._ready.append(job.key)
                self._condition.notify()
        if job.lost:
            log.event(logger, "hypervisor.call_came_back", instance_id=job.key, call=job.what)

    def _withdraw(self, job: _Job) -> bool:
        """Take a job that has not begun out of its queue; False when it has just begun."""
        with self._condition:
            queue = self._waiting.get(job.key)
            if queue is None or job not in queue:
                return False
            queue.remove(job)
            if not queue:
                del self._waiting[job.key]
            return True

    def _give_up(self, job: _Job) -> None:
        with self._condition:
            if self._running.get(job.key) is not job:
                return  # came back this very moment
            job.lost = True
            self._fail_waiting(job.key, f"the guest is busy: {job.what} has not come back yet")
        log.event(logger, "hypervisor.call_lost", logging.ERROR, instance_id=job.key, call=job.what, lost=self.lost())

    def _fail_waiting(self, key: str, reason: str) -> None:
        for job in self._waiting.pop(key, ()):
            job.future.set_exception(HypervisorTimeout(reason, instance_id=key))
            job.started.set()
