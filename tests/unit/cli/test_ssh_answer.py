"""Waiting for a server's SSH, with listeners of the test's own in the place of servers."""

from __future__ import annotations

import io
import socket
import threading
from collections.abc import Iterator, Sequence

import pytest

from cli import ssh_answer
from cli.errors import CommandError
from cli.ssh_answer import Target


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


def at(listener: socket.socket) -> Target:
    return Target(*listener.getsockname())


def greet(listener: socket.socket, greetings: Sequence[bytes]) -> threading.Thread:
    def run() -> None:
        for greeting in greetings:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(greeting)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def test_it_waits_until_ssh_greets_and_says_for_what(listener: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh_answer, "CLI_POLL_S", 0.001)
    said, thread = io.StringIO(), greet(listener, [b"", b"", b"HTTP", b"SSH-2.0-x\r\n"])
    ssh_answer.wait(at(listener), "web", 20, said)
    thread.join(5)
    first, second = said.getvalue().splitlines()
    assert first.startswith(f"waiting for SSH of server web at 127.0.0.1 port {at(listener).port}, for 20 s more")
    assert (first.endswith("it hangs up"), second.endswith("no SSH")) == (True, True)


def test_at_the_deadline_it_says_what_to_look_at() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        closed = at(taken)
    with pytest.raises(
        CommandError, match=f"port {closed.port} has not answered for 0 s: connection refused.*console log"
    ):
        ssh_answer.wait(closed, "web", 0.0, io.StringIO())


def test_ssh_itself_says_where_it_would_connect_to() -> None:
    words = ["ssh", "-F", "none", "-p", "2222", "-l", "root", "--", "192.0.2.7", "uptime"]
    assert ssh_answer.target(words) == Target("192.0.2.7", 2222)
    assert ssh_answer.target(["ssh", "-F", "none", "-o", "Port=23", "--", "192.0.2.7"]) == Target("192.0.2.7", 23)
    assert ssh_answer.target(["ssh", "-F", "none", "-J", "gate", "--", "192.0.2.7"]) is None
    with pytest.raises(CommandError, match="arguments"):
        ssh_answer.target(["ssh", "-o", "NoSuchOption=1", "--", "192.0.2.7"])
