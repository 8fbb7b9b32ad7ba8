"""The API's processes: what happens to the workers when the one that started them is killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.fixtures import api_process
from tests.fixtures.api_process import ApiProcess
from tests.fixtures.e2e_wait import until


@pytest.fixture
def api(tmp_path: Path) -> Iterator[ApiProcess]:
    made = api_process.prepare(tmp_path, workers=2)
    try:
        made.start()
        yield made
    finally:
        made.end()


def test_a_killed_api_starts_again_at_once_although_a_client_keeps_its_connection(api: ApiProcess) -> None:
    assert api.process is not None
    server = api.process.pid
    until(lambda: len(_children(server)) == 2, "both workers of the API to be there", deadline_s=10)
    workers = _children(server)
    address = ("127.0.0.1", int(api.url.rsplit(":", 1)[1]))
    with requests.Session() as client, socket.create_connection(address, timeout=5) as slow:
        assert client.get(f"{api.url}/healthz", timeout=5).ok
        slow.sendall(b"GET /healthz HTTP/1.1\r\nHost: ")  # and never ends
        os.kill(server, signal.SIGKILL)
        api.process.wait(10)
        until(lambda: not any(_alive(pid) for pid in workers), "the workers of the killed API to end", deadline_s=5)
        api.start()
        assert api.process.poll() is None


def _children(pid: int) -> list[int]:
    found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, timeout=10, check=False)
    return [int(line) for line in found.stdout.split()]


def _alive(pid: int) -> bool:
    """A zombie is not: nobody may be there to reap what the killed process left."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
