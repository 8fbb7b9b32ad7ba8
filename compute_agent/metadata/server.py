"""The HTTP listener of one network's metadata address, on a socket that was opened inside the network's namespace.

Guests are strangers: connections are bounded in all and per guest, each lasts one request and a few seconds at most,
and headers are read past and forgotten, so that none can claim to be somebody else (META-01).
"""

from __future__ import annotations

import http.server
import logging
import socket
import socketserver
import sys
import threading
from collections import Counter
from typing import Any

from common import guest_password
from common.clock import Clock
from common.deadlines import METADATA_REQUEST_S
from common.log import event
from compute_agent.metadata.documents import is_password
from compute_agent.networking.base import MetadataHandler, MetadataPeer

MAX_CONNECTIONS = 32
MAX_PER_GUEST = 8
MAX_PATH = 2048
MAX_BODY = guest_password.MAX_BYTES  # nothing else is taken
POLL_S = 0.2
STOP_S = 5.0

logger = logging.getLogger(__name__)


class MetadataServer:
    """Serves until closed. Owns `listening` from the start."""

    def __init__(self, network_id: str, listening: socket.socket, handler: MetadataHandler, clock: Clock) -> None:
        self._server = _Server(network_id, listening, handler, clock)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(POLL_S,), name=f"metadata {network_id[:8]}", daemon=True
        )
        self._thread.start()

    def alive(self) -> bool:
        return self._thread.is_alive()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join(STOP_S)
        self._server.server_close()


class _Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """TCPServer, not HTTPServer: the latter looks its own name up in DNS."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, network_id: str, listening: socket.socket, handler: MetadataHandler, clock: Clock) -> None:
        super().__init__(listening.getsockname()[:2], _Request, bind_and_activate=False)
        self.socket.close()
        self.socket = listening
        self.network_id = network_id
        self.metadata_handler = handler
        self._clock = clock
        self._lock = threading.Lock()
        self._open: dict[socket.socket, float] = {}  # connection -> when it has to be over
        self._per_guest: Counter[str] = Counter()

    def process_request(self, request: Any, client_address: Any) -> None:
        guest = client_address[0]
        with self._lock:
            full = len(self._open) >= MAX_CONNECTIONS or self._per_guest[guest] >= MAX_PER_GUEST
            if not full:
                self._open[request] = self._clock.monotonic() + METADATA_REQUEST_S
                self._per_guest[guest] += 1
        if full:
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._lock:
                self._open.pop(request, None)
                self._per_guest[client_address[0]] -= 1
                self._per_guest += Counter()  # drops guests without connections

    def service_actions(self) -> None:
        """Called at every poll: ends connections whose time is over, however slowly they talk."""
        now = self._clock.monotonic()
        with self._lock:
            late = [request for request, end in self._open.items() if end < now]
        for request in late:
            try:
                request.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # it has just ended

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - socketserver calls it so
        error = sys.exc_info()[1]
        level = logging.DEBUG if isinstance(error, OSError) else logging.ERROR
        event(
            logger, "metadata.request_failed", level, network_id=self.network_id, address=client_address[0],
            error=repr(error),
        )  # fmt: skip


class _Request(http.server.BaseHTTPRequestHandler):
    server: _Server
    timeout = METADATA_REQUEST_S
    protocol_version = "HTTP/1.1"
    server_version = "Cumulet"
    sys_version = ""

    def do_GET(self) -> None:
        self._answer()

    do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_GET  # noqa: N815

    def _answer(self) -> None:
        peer = MetadataPeer(network_id=self.server.network_id, address=self.client_address[0])
        if len(self.path) > MAX_PATH:
            status, kind, body = 414, "text/plain", b"path too long\n"
        else:
            status, kind, body = self.server.metadata_handler(peer, self.command, self.path, self._body())
        self.close_connection = True
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        if status == 405:
            self.send_header("Allow", "GET, HEAD, POST" if is_password(self.path) else "GET, HEAD")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _body(self) -> bytes:
        """What comes with the request; of a longer one, or one of unknown length, a byte more than may be."""
        length = self.headers.get("Content-Length", "0")
        if not (length.isascii() and length.isdecimal()) or "Transfer-Encoding" in self.headers:
            return b"\0" * (MAX_BODY + 1)
        return self.rfile.read(min(int(length[:9]), MAX_BODY + 1))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name http.server gives it
        event(logger, "metadata.request", logging.DEBUG, network_id=self.server.network_id, request=format % args)
