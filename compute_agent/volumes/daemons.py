"""Processes of qemu-storage-daemon that outlive the agent, one for each export or connection, known by its id.

A daemon holds the lock of its pid file for as long as it lives, so that a number that has come to mean another process
is never taken for it, and two can't be started for one id.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import struct
from collections.abc import Sequence
from pathlib import Path

from common import tool
from common.deadlines import STORAGE_DAEMON_END_S, STORAGE_DAEMON_START_S
from common.errors import StorageError, ToolFailed

_PID, _CONTROL, _SOCKET = ".pid", ".qmp", ".sock"
_FLOCK = "@hhqqi4x"  # struct flock of 64-bit Linux


class StorageDaemons:
    """Calls for one id are serial (kept_daemons.py).

    folder: of this machine's present boot, such as /run/…; its path must be short, for sockets are in it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def ensure(self, daemon_id: str, arguments: Sequence[str]) -> bool:
        """Start it unless it runs; True when it was started. Raises StorageError."""
        if self.runs(daemon_id):
            return False
        for path in (self.control(daemon_id), self.socket(daemon_id)):
            path.unlink(missing_ok=True)
        words = [
            "qemu-storage-daemon", "--daemonize", "--pidfile", str(self._path(daemon_id, _PID)),
            "--chardev", f"socket,id=control,server=on,wait=off,path={escaped(self.control(daemon_id))}",
            "--monitor", "chardev=control", *arguments,
        ]  # fmt: skip
        try:
            tool.run(words, timeout_s=STORAGE_DAEMON_START_S)
        except ToolFailed as err:
            self.end(daemon_id)  # one that was only slow
            raise StorageError(f"the storage daemon {daemon_id} does not start", detail=err.detail) from err
        return True

    def runs(self, daemon_id: str) -> bool:
        return _is_locked(self._path(daemon_id, _PID))

    def running(self) -> set[str]:
        """The ids of all that run."""
        return {path.stem for path in self._folder.glob(f"*{_PID}") if _is_locked(path)}

    def end(self, daemon_id: str) -> None:
        """It has ended when this returns: in peace, else by force. Succeeds without one. Raises StorageError."""
        handle = self._find(daemon_id)
        if handle is not None:
            try:
                for number in (signal.SIGTERM, signal.SIGKILL):
                    with contextlib.suppress(ProcessLookupError):
                        signal.pidfd_send_signal(handle, number)
                    if select.select([handle], [], [], STORAGE_DAEMON_END_S)[0]:
                        break
                else:
                    raise StorageError(f"the storage daemon {daemon_id} does not end")
            finally:
                os.close(handle)
        for suffix in (_PID, _CONTROL, _SOCKET):
            self._path(daemon_id, suffix).unlink(missing_ok=True)

    def control(self, daemon_id: str) -> Path:
        """The socket of its QMP monitor."""
        return self._path(daemon_id, _CONTROL)

    def socket(self, daemon_id: str) -> Path:
        """Where one that serves this node alone listens."""
        return self._path(daemon_id, _SOCKET)

    def _find(self, daemon_id: str) -> int | None:
        """A pidfd, which can't come to mean another process."""
        path = self._path(daemon_id, _PID)
        try:
            handle = os.pidfd_open(int(path.read_text()))
        except (OSError, ValueError):
            return None
        if _is_locked(path):
            return handle
        os.close(handle)
        return None

    def _path(self, daemon_id: str, suffix: str) -> Path:
        return self._folder / f"{daemon_id}{suffix}"


def escaped(path: Path) -> str:
    """As QEMU's option lists want it."""
    return str(path).replace(",", ",,")


def _is_locked(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        found = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, asked)
        return bool(struct.unpack(_FLOCK, found)[0] != fcntl.F_UNLCK)
    finally:
        os.close(descriptor)
