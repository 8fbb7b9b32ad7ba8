"""/healthz and /metrics on the loopback address."""

from __future__ import annotations

import http.server
import json
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from common import log

logger = logging.getLogger(__name__)
_REQUEST_S = 5.0
_PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True)
class Health:
    """healthy: the driver works and the control plane has heard of this node lately."""

    healthy: bool
    facts: dict[str, Any]


class HealthServer:
    """Serves in threads of its own from `start` to `close`. `port` 0 chooses a free one; see `address`."""

    def __init__(self, port: int, health: Callable[[], Health], metrics: Callable[[], bytes]) -> None:
        handler = type("Handler", (_Handler,), {"health": staticmethod(health), "metrics": staticmethod(metrics)})
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler, bind_and_activate=False)
        self._server.daemon_threads = True
        self._server.server_bind()
        self._server.server_activate()
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.2,), name="health", daemon=True)

    @property
    def address(self) -> tuple[str, int]:
        host, port = self._server.server_address[:2]
        return str(host), int(port)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join(_REQUEST_S)
        self._server.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    timeout = _REQUEST_S
    health: Callable[[], Health]
    metrics: Callable[[], bytes]

    def do_GET(self) -> None:
        if self.path == "/healthz":
            found = self.health()
            self._send(200 if found.healthy else 503, "application/json", json.dumps(found.facts).encode())
        elif self.path == "/metrics":
            self._send(200, _PROMETHEUS, self.metrics())
        else:
            self._send(404, "text/plain", b"not found\n")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name http.server gives it
        log.event(logger, "health.asked", logging.DEBUG, line=format % args)

    def _send(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
