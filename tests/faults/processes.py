"""Services as processes, started again whenever they end, as systemd or supervisord would do it.

Each is forked from one process that has imported them: a service's imports are most of what its death costs two busy
cores, and with two thousand deaths an hour of them.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

from common import killpoints

LOOK_S = 0.05
STOP_S = 15.0
SERVICES = ("api.main", "scheduler.main", "compute_agent.main")


@dataclass(frozen=True)
class Service:
    """module: whose `main` it is. variables: of its environment. log: what it writes goes to its end."""

    module: str
    variables: Mapping[str, str]
    log: Path

    def run(self) -> None:
        """In a new process: be the service."""
        os.setsid()
        os.environ.update(self.variables)
        sys.argv = [self.module]
        importlib.reload(killpoints)  # which looks at the environment
        out = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        for stream in (1, 2):
            os.dup2(out, stream)
        sys.exit(importlib.import_module(self.module).main())


class Supervisor:
    """deaths: how often each service has ended without being asked to."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._forking: ForkServerContext = multiprocessing.get_context("forkserver")
        self._forking.set_forkserver_preload(list(SERVICES))
        self._services: dict[str, Service] = {}
        self._running: dict[str, ForkServerProcess] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self.deaths: Counter[str] = Counter()
        self._thread = threading.Thread(target=self._watch, name="supervisor", daemon=True)
        self._thread.start()

    def start(self, name: str, module: str, **variables: str) -> None:
        """Run it from now on, whatever becomes of it."""
        with self._lock:
            self._services[name] = Service(module, variables, self.log(name))
            self._running[name] = self._spawn(name)

    def halt(self, name: str) -> None:
        """kill -9, and don't start it again before `resume`."""
        with self._lock:
            process = self._running.pop(name)
            _signal(process, signal.SIGKILL)
            process.join(STOP_S)

    def resume(self, name: str) -> None:
        with self._lock:
            self._running[name] = self._spawn(name)

    def log(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    def close(self) -> None:
        self._stop.set()
        self._thread.join(STOP_S)
        for process in self._running.values():
            _signal(process, signal.SIGTERM)
        end = time.monotonic() + STOP_S
        for process in self._running.values():
            process.join(max(0.1, end - time.monotonic()))
            if process.exitcode is None:
                _signal(process, signal.SIGKILL)
                process.join(STOP_S)

    def _spawn(self, name: str) -> ForkServerProcess:
        process = self._forking.Process(target=self._services[name].run, name=name, daemon=True)
        process.start()
        return process

    def _watch(self) -> None:
        while not self._stop.wait(LOOK_S):
            with self._lock:
                for name, process in list(self._running.items()):
                    if process.exitcode is not None:
                        self.deaths[name] += 1
                        self._running[name] = self._spawn(name)


def _signal(process: ForkServerProcess, number: signal.Signals) -> None:
    """To it and its children; to it alone when it has just been born and leads no group yet."""
    assert process.pid is not None
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        if process.exitcode is None:
            os.kill(process.pid, number)
