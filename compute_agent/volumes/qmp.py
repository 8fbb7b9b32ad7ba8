"""Commands to a storage daemon's monitor: QEMU's machine protocol, one connection for a few commands."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from common.deadlines import QMP_S
from common.errors import StorageError


class DaemonSilent(StorageError):
    """It has died, or just begun: it runs again within a second or two, and knows nothing of what it was asked before."""


class Monitor:
    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._events: list[dict[str, Any]] = []

    def execute(self, command: str, **arguments: Any) -> Any:
        """The answer. Underscores in names of arguments stand for hyphens. Raises StorageError."""
        said = {"execute": command, "arguments": {key.replace("_", "-"): value for key, value in arguments.items()}}
        try:
            self._stream.write(json.dumps(said).encode() + b"\n")
            self._stream.flush()
            while answer := self._next():
                if "error" in answer:
                    raise StorageError(f"the storage daemon refused {command}", detail=str(answer["error"])[:500])
                if "return" in answer:
                    return answer["return"]
                self._events.append(answer)
        except (OSError, ValueError) as err:
            raise DaemonSilent(f"the storage daemon did not answer {command}", detail=str(err)) from err
        raise DaemonSilent(f"the storage daemon hung up at {command}")

    def wait_for(self, event: str, **data: Any) -> None:
        """Until it has told of this, since the monitor was opened. Raises StorageError."""
        try:
            while not any(each.get("event") == event and data.items() <= each["data"].items() for each in self._events):
                told = self._next()
                if not told:
                    raise DaemonSilent(f"the storage daemon hung up before {event}")
                self._events.append(told)
        except (OSError, ValueError) as err:
            raise DaemonSilent(f"the storage daemon did not tell of {event}", detail=str(err)) from err

    def _next(self) -> dict[str, Any]:
        """{}: it hung up."""
        line = self._stream.readline()
        return dict(json.loads(line)) if line else {}


@contextmanager
def monitor(path: Path) -> Iterator[Monitor]:
    """Raises StorageError when nobody answers there."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(QMP_S)
        try:
            connection.connect(str(path))
            stream = connection.makefile("rwb")
            stream.readline()  # its greeting
        except OSError as err:
            raise DaemonSilent("the storage daemon does not answer", detail=f"{path}: {err}") from err
        with stream:
            found = Monitor(stream)  # type: ignore[arg-type]
            found.execute("qmp_capabilities")
            yield found
