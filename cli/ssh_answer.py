"""Waiting until the SSH of a server answers: a server is ACTIVE long before its system lets anybody in."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TextIO

from cli.errors import CommandError
from common import tool
from common.deadlines import CLI_POLL_S
from common.errors import ToolFailed

CONNECT_S = 3.0
ASK_SSH_S = 10.0
_GREETING = b"SSH-"


@dataclass(frozen=True)
class Target:
    host: str
    port: int


def target(words: Sequence[str]) -> Target | None:
    """Where `ssh` with these arguments would connect to, by its own account, which knows its configuration files.

    None when it would go there by way of another host or program: what that reaches can't be asked from here.
    """
    try:
        told = tool.run([words[0], "-G", *words[1:]], timeout_s=ASK_SSH_S).decode(errors="replace")
    except ToolFailed as err:
        raise CommandError(f"ssh does not take these arguments: {err.detail or err.message}") from err
    known = dict(line.split(" ", 1) for line in told.splitlines() if " " in line)
    if any(known.get(name, "none") != "none" for name in ("proxycommand", "proxyjump")):
        return None
    return Target(known["hostname"], int(known["port"]))


def wait(at: Target, server: str, deadline_s: float, out: TextIO) -> None:
    """Until it greets as SSH does. What it waits for, and why there is no answer yet, is told to `out`.

    Raises CommandError at the deadline.
    """
    begun, told = time.monotonic(), ""
    while (reason := _refusal(at)) is not None:
        waited = time.monotonic() - begun
        if waited > deadline_s:
            raise CommandError(
                f"SSH of server {server} at {at.host} port {at.port} has not answered for {deadline_s:.0f} s: {reason}. See "
                f"`cumulet console log show {server}`, and whether a rule of its security groups lets port {at.port} in."
            )
        if reason != told:
            left = f"for {deadline_s - waited:.0f} s more at most"
            out.write(f"waiting for SSH of server {server} at {at.host} port {at.port}, {left}: {reason}\n")
            out.flush()
            told = reason
        time.sleep(CLI_POLL_S)


def _refusal(at: Target) -> str | None:
    """Why it can't be logged in to; None when it can."""
    try:
        [(family, kind, protocol, _, address), *_] = socket.getaddrinfo(at.host, at.port, type=socket.SOCK_STREAM)
        with socket.socket(family, kind, protocol) as connection:
            connection.settimeout(CONNECT_S)
            connection.connect(address)
            greeting = connection.recv(len(_GREETING))
    except TimeoutError:
        return "no answer"
    except OSError as err:
        return (err.strerror or str(err)).lower()
    if not greeting:
        return "it hangs up"
    return None if _GREETING.startswith(greeting) else "what answers is no SSH"
