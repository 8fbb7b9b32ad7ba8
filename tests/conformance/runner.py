"""Runs tests of the lists in tempest's virtual environment, a few workers at a time, and hands on each result.

A worker gets whole classes, since a class makes its users and projects once. One that is silent for too long is ended: what
it was at counts as failed, and a new worker goes on with the rest.
"""

from __future__ import annotations

import json
import os
import queue
import selectors
import subprocess
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.conformance.results import Result

SILENT_S = 1800.0  # no test takes longer; OS_TEST_TIMEOUT ends each after 1200 s
END_S = 30.0
_CHUNK = 24  # classes per worker process, so that starting one (1.5 s) is little beside its work


@dataclass
class Runner:
    """venv: with tempest; workspace: with etc/tempest.conf; `tell` gets every result, one at a time."""

    venv: Path
    workspace: Path
    tell: Callable[[Result], None]
    workers: int = 2
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, tests: Sequence[str]) -> None:
        """Until every test has a result. KeyboardInterrupt ends the workers; what is known has been told."""
        work: queue.SimpleQueue[list[str]] = queue.SimpleQueue()
        for part in _parts(tests, self.workers):
            work.put(part)
        stop = threading.Event()
        threads = [threading.Thread(target=self._serve, args=(work, stop)) for _ in range(self.workers)]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                thread.join()
        except KeyboardInterrupt:
            stop.set()
            for thread in threads:
                thread.join()
            raise

    def _serve(self, work: queue.SimpleQueue[list[str]], stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                left = work.get_nowait()
            except queue.Empty:
                return
            while left and not stop.is_set():
                left = self._one_process(left, stop)

    def _one_process(self, tests: list[str], stop: threading.Event) -> list[str]:
        """What is still to be run afterwards: nothing, unless the worker died or had to be ended."""
        with (self.workspace / "worker.log").open("ab") as errors:
            process = subprocess.Popen(
                [str(self.venv / "bin/python"), str(Path(__file__).with_name("worker.py"))],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, env=self._environment(),
                cwd=self.workspace, start_new_session=True,
            )  # fmt: skip
        assert process.stdin is not None
        process.stdin.write("\n".join(tests).encode())
        process.stdin.close()
        left = dict.fromkeys(tests)
        try:
            self._listen(process, left, stop)
        finally:
            _end(process)
        if not left or stop.is_set():
            return []
        culprit = next(iter(left))  # the classes are run in this order
        self._told(left, Result(culprit, "failed", f"the worker ended in it, or it took over {SILENT_S:.0f} s"))
        return list(left)

    def _listen(self, process: subprocess.Popen[bytes], left: dict[str, None], stop: threading.Event) -> None:
        """Read results until the worker has ended, is silent for too long, or all is to stop."""
        assert process.stdout is not None
        silent_s, text = 0.0, b""
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while left and not stop.is_set() and silent_s < SILENT_S:
                if not selector.select(timeout=1.0):
                    silent_s += 1.0
                    continue
                silent_s = 0.0
                data = os.read(process.stdout.fileno(), 65536)
                if not data:
                    return
                *lines, text = (text + data).split(b"\n")
                for line in lines:
                    self._told(left, Result(**json.loads(line)))

    def _told(self, left: dict[str, None], result: Result) -> None:
        left.pop(result.test, None)
        with self._lock:
            self.tell(result)

    def _environment(self) -> dict[str, str]:
        """The suite reads tempest.conf alone: nothing of the caller's OS_*."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("OS_", "PYTHON"))}
        return {**kept, "TEMPEST_CONFIG_DIR": str(self.workspace / "etc"), "TEMPEST_CONFIG": "tempest.conf"}


def _parts(tests: Sequence[str], workers: int) -> list[list[str]]:
    """Whole classes, a number of them for each process, spread so that all workers have something to do."""
    classes: dict[str, list[str]] = {}
    for test in tests:
        classes.setdefault(test.rsplit(".", 1)[0], []).append(test)
    groups = list(classes.values())
    size = max(1, min(_CHUNK, -(-len(groups) // workers)))
    return [[test for group in groups[at : at + size] for test in group] for at in range(0, len(groups), size)]


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(END_S)
