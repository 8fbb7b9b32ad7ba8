"""Waiting for what was asked of a server, and telling meanwhile which step of the operation is being done."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TextIO

from cli.errors import CloudRefusedError, CommandError
from common.deadlines import CLI_POLL_S, CLI_WAIT_S

if TYPE_CHECKING:
    from cli.cloud import Cloud

OPEN = ("pending", "running", "unwinding")
_CLEAR_LINE = "\r\x1b[2K"


class Progress:
    """One line that changes on a terminal; elsewhere a line for every step."""

    def __init__(self, out: TextIO, what: str) -> None:
        self._out, self._what = out, what
        self._live = out.isatty()
        self._last = ""
        self._since = time.monotonic()

    def show(self, operation: dict[str, Any]) -> None:
        said = _in_words(operation)
        if self._live:
            self._out.write(f"{_CLEAR_LINE}{self._what}: {said}, {time.monotonic() - self._since:.0f} s")
        elif said != self._last:
            self._out.write(f"{self._what}: {said}\n")
        self._last = said
        self._out.flush()

    def end(self) -> None:
        if self._live and self._last:
            self._out.write(_CLEAR_LINE)
            self._out.flush()


def for_operation(cloud: Cloud, out: TextIO, what: str, resource_id: str) -> dict[str, Any]:
    """Until the newest operation of the resource has ended; that operation.

    Raises CommandError when it failed, is stuck, or goes on for longer than CLI_WAIT_S: it goes on without us then.
    """
    progress, end = Progress(out, what), time.monotonic() + CLI_WAIT_S
    try:
        while True:
            operation = newest(cloud, resource_id)
            if operation is None or operation["state"] not in OPEN:
                break
            progress.show(operation)
            if time.monotonic() > end:
                raise CommandError(
                    f"{what}: not done after {CLI_WAIT_S:.0f} s and going on; see `cumulet operation show {operation['id']}`."
                )
            time.sleep(CLI_POLL_S)
        if operation is not None:
            progress.show(operation)
    finally:
        progress.end()
    if operation is not None and operation["state"] != "done":
        raise CommandError(f"{what}: {_failure(operation, what, resource_id)}")
    return operation or {}


def newest(cloud: Cloud, resource_id: str) -> dict[str, Any] | None:
    """The resource's last operation; administrators see those of every project."""
    found = cloud.get("/operations", resource=resource_id, limit=1)["operations"]
    if not found and cloud.is_admin:
        found = cloud.get("/operations", resource=resource_id, limit=1, all_projects="true")["operations"]
    return found[0] if found else None


def until_gone(cloud: Cloud, out: TextIO, what: str, server_id: str) -> None:
    """Until the API knows no such server any more. Raises CommandError."""
    for_operation(cloud, out, what, server_id)
    try:
        status = cloud.get(f"/servers/{server_id}", "compute")["server"]["status"]
    except CloudRefusedError as err:
        if err.status == 404:
            return
        raise
    if status != "DELETED":
        raise CommandError(f"{what}: it is still there, in status {status}; see `cumulet server show {server_id}`.")


def _in_words(operation: dict[str, Any]) -> str:
    words = f"{operation['action']}, {operation['step'] or operation['state']}"
    if operation["state"] == "unwinding":
        words += " (undoing)"
    if operation["state"] not in OPEN:
        words = f"{operation['action']}, {operation['state']}"
    return words + (f", attempt {operation['attempt']}" if (operation.get("attempt") or 0) > 1 else "")


def _failure(operation: dict[str, Any], what: str, resource_id: str) -> str:
    error = operation.get("error") or {}
    reason = error.get("message") or operation["state"]
    if operation["state"] == "stuck":
        return (
            f"{reason} The operation is stuck and needs an administrator: `cumulet operation show {operation['id']}`."
        )
    noun = what.partition(" ")[0]
    if noun == "volume" or (noun == "server" and operation["action"] == "create"):
        return f"{reason} `cumulet {noun} why {resource_id}` says more."
    return f"{reason} `cumulet operation show {operation['id']}` says more."
