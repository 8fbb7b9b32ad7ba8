"""A small HTTP server that gives out images, well or badly, for the tests of the image cache."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from common.ids import new_id
from common.rpc.command_base import ImageSpec


@dataclass
class ImageServer:
    """What it has and what it was asked. gate: when set, bodies wait in the middle until it opens."""

    url: str = ""
    bodies: dict[str, bytes] = field(default_factory=dict)
    statuses: dict[str, int] = field(default_factory=dict)
    cut: dict[str, int] = field(default_factory=dict)
    requests: list[tuple[str, str | None, str | None]] = field(default_factory=list)
    gate: threading.Event | None = None

    def add(self, body: bytes, disk_format: str = "raw", *, sha512: str = "", size: int = -1) -> ImageSpec:
        image_id = new_id()
        self.bodies[f"/{image_id}"] = body
        return ImageSpec(
            id=image_id,
            sha512=sha512 or hashlib.sha512(body).hexdigest(),
            size_bytes=len(body) if size < 0 else size,
            disk_format=disk_format,
            virtual_size_bytes=len(body),
            url=f"{self.url}/{image_id}",
        )


@contextlib.contextmanager
def image_server() -> Iterator[ImageServer]:
    state = ImageServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            node, secret = self.headers.get("X-Cumulet-Node"), self.headers.get("X-Cumulet-Node-Secret")
            state.requests.append((self.path, node, secret))
            body = state.bodies.get(self.path, b"")
            self.send_response(state.statuses.get(self.path, 200))
            self.send_header("Content-Length", str(len(body)))
            if self.path in state.statuses:
                self.send_header("Location", f"{state.url}/elsewhere")
            self.end_headers()
            with contextlib.suppress(ConnectionError):
                middle = len(body) // 2
                self.wfile.write(body[:middle])
                self.wfile.flush()
                if state.gate is not None:
                    state.gate.wait(30)
                self.wfile.write(body[middle : state.cut.get(self.path)])

        def log_message(self, *_arguments: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        if state.gate is not None:
            state.gate.set()
        server.shutdown()
        server.server_close()
