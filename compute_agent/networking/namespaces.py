"""Network namespaces: making, removing, and running a function inside one.

setns(2) moves one thread, so a function runs in a thread of its own that enters and dies. What it opens (sockets,
netlink, /proc/sys/net) and what it starts (a child process) stays in the namespace.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from common import tool
from common.deadlines import TOOL_S
from common.errors import NetworkingError, ToolFailed

FOLDER = Path("/run/netns")
_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
_T = TypeVar("_T")


def exists(name: str) -> bool:
    return (FOLDER / name).exists()


def ensure(name: str) -> bool:
    """Make the namespace; True when it had to be made. A name left without a namespace by a crash is replaced."""
    if exists(name):
        try:
            call_in(name, lambda: None)
        except NetworkingError:
            _ip("netns", "delete", name)
        else:
            return False
    _ip("netns", "add", name)
    return True


def remove(name: str) -> None:
    if exists(name):
        _ip("netns", "delete", name)


def call_in(name: str, function: Callable[[], _T]) -> _T:
    """The function's result, or what it raised. Raises NetworkingError when the namespace is not there."""
    outcome: list[Any] = [None, None]

    def enter_and_call() -> None:
        try:
            _enter(name)
            outcome[0] = function()
        except BaseException as err:  # noqa: BLE001 - raised again in the caller's thread
            outcome[1] = err

    thread = threading.Thread(target=enter_and_call, name=f"in {name}", daemon=True)
    thread.start()
    thread.join()
    if outcome[1] is not None:
        raise outcome[1]
    result: _T = outcome[0]
    return result


def _enter(name: str) -> None:
    try:
        handle = os.open(FOLDER / name, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as err:
        raise NetworkingError(f"network namespace {name} is missing", detail=str(err)) from err
    try:
        if _libc.setns(handle, _CLONE_NEWNET) != 0:
            problem = os.strerror(ctypes.get_errno())
            raise NetworkingError(f"network namespace {name} can't be entered", detail=problem)
    finally:
        os.close(handle)


def _ip(*arguments: str) -> None:
    try:
        tool.run(["ip", *arguments], timeout_s=TOOL_S)
    except ToolFailed as err:
        raise NetworkingError(f"ip {' '.join(arguments)} failed", detail=err.detail) from err
