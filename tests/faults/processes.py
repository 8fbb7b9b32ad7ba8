"""Services as processes, started again whenever they end, as systemd or supervisord would do it."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

LOOK_S = 0.05
STOP_S = 15.0


class Supervisor:
    """deaths: how often each service has ended without being asked to."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = dict(environment)
        self._commands: dict[str, Sequence[str]] = {}
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self.deaths: Counter[str] = Counter()
        self._thread = threading.Thread(target=self._watch, name="supervisor", daemon=True)
        self._thread.start()

    def start(self, name: str, command: Sequence[str], **variables: str) -> None:
        """Run it from now on, whatever becomes of it."""
        with self._lock:
            self._commands[name] = ["/usr/bin/env", *(f"{key}={value}" for key, value in variables.items()), *command]
            self._running[name] = self._spawn(name)

    def halt(self, name: str) -> None:
        """kill -9, and don't start it again before `resume`."""
        with self._lock:
            process = self._running.pop(name)
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(STOP_S)

    def resume(self, name: str) -> None:
        with self._lock:
            self._running[name] = self._spawn(name)

    def log(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    def close(self) -> None:
        self._stop.set()
        self._thread.join(STOP_S)
        for process in self._running.values():
            os.killpg(process.pid, signal.SIGTERM)
        end = time.monotonic() + STOP_S
        for process in self._running.values():
            try:
                process.wait(max(0.1, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(STOP_S)

    def _spawn(self, name: str) -> subprocess.Popen[bytes]:
        with self.log(name).open("ab") as out:
            return subprocess.Popen(
                self._commands[name], env=self._environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                start_new_session=True,
            )  # fmt: skip

    def _watch(self) -> None:
        while not self._stop.wait(LOOK_S):
            with self._lock:
                for name, process in list(self._running.items()):
                    if process.poll() is not None:
                        self.deaths[name] += 1
                        self._running[name] = self._spawn(name)
