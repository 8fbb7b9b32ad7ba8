"""A cloud with its console service on a port of its own: browsers and nodes reach it by real websockets."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from websockets.sync.client import ClientConnection, connect

from api.console.server import ConsoleServer
from common import console_urls
from tests.fixtures.cloud import COMPUTE, NEWEST, Cloud, MakeCloud, make_cloud  # noqa: F401 - a fixture
from tests.fixtures.ports import free_port

WAIT_S = 15.0
_SILENT = logging.getLogger("tests.browser")  # of the browser, not of the cloud: it may know its token
_SILENT.disabled = True


@dataclass
class Consoles:
    """base: where the service is, http://…; also the origin of its page."""

    cloud: Cloud
    base: str

    def ask(self, server_id: str, kind: str = "serial", as_: str = "demo") -> Any:
        protocol = {"serial": "serial", "novnc": "vnc"}[kind]
        body = {"remote_console": {"protocol": protocol, "type": kind}}
        return self.cloud.api.post(f"{COMPUTE}/servers/{server_id}/remote-consoles", as_, headers=NEWEST, json=body)

    def token(self, server_id: str, kind: str = "serial", as_: str = "demo") -> str:
        url = self.cloud.ok(self.ask(server_id, kind, as_))["remote_console"]["url"]
        query = parse_qs(urlsplit(url).query)
        return (query.get("token") or parse_qs(query["path"][0].removeprefix("?"))["token"])[0]

    def open(self, token: str, origin: str | None = "") -> ClientConnection:
        """Raises websockets.exceptions.InvalidStatus when it is refused."""
        return connect(
            f"{console_urls.as_websocket(self.base)}/?token={token}", origin=self.base if origin == "" else origin,
            subprotocols=["binary"], compression=None, open_timeout=WAIT_S, proxy=None, logger=_SILENT,
        )  # fmt: skip


@pytest.fixture
def consoles(make_cloud: MakeCloud) -> Iterator[Consoles]:  # noqa: F811
    cloud = make_cloud(node_count=1)
    port = free_port()
    config = replace(cloud.config, console=replace(cloud.config.console, port=port))
    server = ConsoleServer(config, cloud.db, cloud.bus, cloud.clock)  # type: ignore[arg-type]
    ready, loop = threading.Event(), asyncio.new_event_loop()
    stop: asyncio.Event = asyncio.Event()

    async def serve() -> None:
        async with server.listening(["127.0.0.1"], port, None):
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    assert ready.wait(WAIT_S)
    yield Consoles(cloud, console_urls.for_browsers(config))
    loop.call_soon_threadsafe(stop.set)
    thread.join(WAIT_S)
    assert not thread.is_alive()
    loop.close()


def read_until(socket: ClientConnection, wanted: bytes) -> bytes:
    """What came, up to where it ends in `wanted`."""
    got = b""
    while not got.endswith(wanted):
        message = socket.recv(timeout=WAIT_S)
        got += message.encode() if isinstance(message, str) else message
    return got
