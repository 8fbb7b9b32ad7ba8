"""Sending a file: whole, with its length and the node's secret, and given up when it is no longer wanted."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from common.errors import StaleCommand, StorageError
from common.secret import Secret
from compute_agent.storage.uploader import Uploader

MIB = 1024**2


@dataclass
class Taker:
    """A server that takes what is PUT, by length only, as those do that fear smuggled requests."""

    url: str = ""
    status: int = 204
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)


@pytest.fixture
def taker() -> Iterator[Taker]:
    state = Taker()

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            wrong = "Transfer-Encoding" in self.headers or "Content-Length" not in self.headers
            state.headers.append(dict(self.headers))
            with contextlib.suppress(ConnectionError):
                state.bodies.append(b"" if wrong else self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(400 if wrong else state.status)
                self.send_header("Content-Length", "0")
                self.send_header("Location", f"{state.url}/elsewhere")
                self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield state
    server.shutdown()
    server.server_close()


@pytest.fixture
def uploader() -> Uploader:
    return Uploader(node="node1", secret=Secret("a secret"))


def test_a_file_arrives_whole_with_its_length_and_the_secret(taker: Taker, uploader: Uploader, tmp_path: Path) -> None:
    path = tmp_path / "copy"
    path.write_bytes(bytes(range(256)) * (3 * MIB // 256) + b"rest")
    looks: list[None] = []
    uploader.put(taker.url, path, lambda: looks.append(None))
    assert taker.bodies == [path.read_bytes()]
    assert (taker.headers[0]["X-Cumulet-Node"], taker.headers[0]["X-Cumulet-Node-Secret"]) == ("node1", "a secret")
    assert len(looks) == 4


@pytest.mark.parametrize("status", [302, 401, 404, 500])
def test_a_refusal_is_an_error_without_the_secret_in_it(
    taker: Taker, uploader: Uploader, tmp_path: Path, status: int
) -> None:
    path = tmp_path / "copy"
    path.write_bytes(b"x")
    taker.status = status
    with pytest.raises(StorageError, match=str(status)) as caught:
        uploader.put(taker.url, path, lambda: None)
    assert "a secret" not in f"{caught.value.message} {caught.value.detail}"
    assert len(taker.headers) == 1, "a redirect must not be followed: the secret would go along"


def test_nobody_there(uploader: Uploader, tmp_path: Path) -> None:
    path = tmp_path / "copy"
    path.write_bytes(b"x")
    with pytest.raises(StorageError, match="could not be sent"):
        uploader.put("http://127.0.0.1:1/", path, lambda: None)


def test_it_is_given_up_between_two_chunks(taker: Taker, uploader: Uploader, tmp_path: Path) -> None:
    path = tmp_path / "copy"
    path.write_bytes(b"x" * 2 * MIB)

    def unwanted() -> None:
        raise StaleCommand("not wanted any more")

    with pytest.raises(StaleCommand):
        uploader.put(taker.url, path, unwanted)
