"""A PostgreSQL server and a RabbitMQ broker of one's own that a test may stop, wipe and start again."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

from common import tool
from tests.fixtures import postgresql
from tests.fixtures.postgresql import PostgresqlServer
from tests.fixtures.rabbitmq import RabbitServer

STOP_S = 30.0


class Postgresql:
    """fsync is on: faults are injected here."""

    def __init__(self, folder: Path) -> None:
        self.server = PostgresqlServer(folder)
        self._prefix: list[str] = []
        if os.geteuid() == 0:  # the server refuses to run as root
            shutil.chown(folder, "nobody", "nogroup")
            self._prefix = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
        binaries = postgresql._binaries()
        data = str(folder / "data")
        initdb = [*self._prefix, str(binaries / "initdb"), "-D", data, "-U", "cumulet", "-A", "trust", "-E", "UTF8"]
        tool.run([*initdb, "--locale=C.UTF-8"], timeout_s=postgresql.START_S)
        self._pg_ctl = [*self._prefix, str(binaries / "pg_ctl"), "-D", data, "-w", "-t", str(int(postgresql.START_S))]
        options = f"-c listen_addresses= -c unix_socket_directories={folder} -c max_connections=200"
        self._start = ["-l", str(folder / "log"), "-o", options]
        self.start()

    def start(self) -> None:
        tool.run([*self._pg_ctl, *self._start, "start"], timeout_s=postgresql.START_S)

    def stop(self, mode: str = "immediate") -> None:
        """`immediate` is a crash, `fast` a clean shutdown that hangs up on everybody."""
        tool.run([*self._pg_ctl, "-m", mode, "stop"], timeout_s=STOP_S)


class Rabbitmq(RabbitServer):
    """One that dies instead of stopping."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.start()

    def stop(self) -> None:
        """kill -9 of the broker and all its children."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(STOP_S)
            self._process = None
