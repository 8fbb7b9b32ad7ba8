"""The websockets of consoles: a browser comes with a token, the node is asked to come too, and bytes go between them.

A token is used up before anything else happens (CON-02). A session lives as long as what the token was given for holds:
that is looked at again and again (common.db.console_tokens.still_holds). Neither token nor key is ever logged.
"""

from __future__ import annotations

import asyncio
import hmac
import http
import logging
import secrets
import ssl
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as serve_websockets
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from api import policy
from api.console import pages
from common import console_urls, log
from common.clock import Clock
from common.config import Config
from common.db import console_tokens
from common.db.models import ConsoleToken
from common.db.session import Database
from common.deadlines import CONSOLE_CLOSE_S, CONSOLE_DIAL_S, CONSOLE_LOOK_S
from common.errors import CloudError
from common.rpc.bus import Bus
from common.rpc.queries_v1 import ConsoleKind, OpenConsole

logger = logging.getLogger(__name__)
NODE_PATH = "/node/"
MESSAGE_BYTES = 1024 * 1024
TRY_AGAIN, REFUSED, GONE = 1013, 1008, 1011


@dataclass
class _Session:
    """One console. key: what its node must show; arrived: the node's websocket, once it is there."""

    token: ConsoleToken
    key: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    arrived: asyncio.Future[ServerConnection] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class ConsoleServer:
    """Holds nothing but the sessions that are open."""

    def __init__(self, config: Config, db: Database, bus: Bus, clock: Clock) -> None:
        self._config, self._db, self._bus, self._clock = config, db, bus, clock
        self._origins = console_urls.origins(config)
        self._novnc = Path(config.console.novnc_dir)
        self._overrides = policy.load_overrides(config.api.policy_file)
        self._sessions: dict[str, _Session] = {}  # by the id in the node's path

    def listening(
        self, hosts: Sequence[str], port: int, tls: ssl.SSLContext | None
    ) -> AbstractAsyncContextManager[Any]:
        """Serves inside the block."""
        served: AbstractAsyncContextManager[Any] = serve_websockets(
            self._serve, list(hosts), port, ssl=tls, process_request=self._decide, subprotocols=["binary"],
            select_subprotocol=_binary, compression=None, max_size=MESSAGE_BYTES, close_timeout=CONSOLE_CLOSE_S,
            server_header=None, logger=_quiet(),
        )  # fmt: skip
        return served

    async def _decide(self, connection: ServerConnection, request: Request) -> Response | None:
        """None lets the websocket be; anything else is the answer. What may be wrong with a token is not told."""
        path = urlsplit(request.path)
        if request.headers.get("Upgrade", "").lower() != "websocket":
            return _response(pages.find(path.path, self._novnc))
        if path.path.startswith(NODE_PATH):
            session = self._sessions.get(path.path.removeprefix(NODE_PATH))
            shown = request.headers.get("Authorization", "")
            if session is None or session.arrived.done() or not hmac.compare_digest(shown, f"Bearer {session.key}"):
                return connection.respond(http.HTTPStatus.FORBIDDEN, "Forbidden\n")
            connection.console = session
            return None
        # who is refused gets no body, which a program that waits for a first frame would take for one
        if request.headers.get("Origin") not in self._origins:
            return connection.respond(http.HTTPStatus.FORBIDDEN, "")
        if len(self._sessions) >= self._config.console.max_sessions:
            return connection.respond(http.HTTPStatus.SERVICE_UNAVAILABLE, "Too many consoles are open.\n")
        token = await asyncio.to_thread(self._take, _token(path.query))
        if token is None:
            return connection.respond(http.HTTPStatus.FORBIDDEN, "")
        connection.token = token
        return None

    def _take(self, token: str) -> ConsoleToken | None:
        """In a thread. None for one that does not open anything."""
        if not token:
            return None
        now = self._clock.now()
        found = self._db.run(lambda session: console_tokens.take(session, token, now))
        return found if found is not None and self._holds(found) else None

    def _holds(self, token: ConsoleToken) -> bool:
        """In a thread: the user may still see this console."""
        with self._db.read() as session:
            context = console_tokens.still_holds(session, token)
        if context is None:
            return False
        key = "compute:remote-consoles:create"
        try:
            policy.enforce(self._overrides.get(key, policy.Rule.MEMBER), context, key)
        except CloudError:
            return False
        return True

    async def _serve(self, connection: ServerConnection) -> None:
        session = getattr(connection, "console", None)
        if session is not None:
            await self._from_node(connection, session)
        else:
            await self._from_browser(connection, connection.token)

    async def _from_node(self, connection: ServerConnection, session: _Session) -> None:
        """The node is there: it waits here while the browser's side carries the bytes."""
        if session.arrived.done():
            return
        session.arrived.set_result(connection)
        await session.ended.wait()

    async def _from_browser(self, connection: ServerConnection, token: ConsoleToken) -> None:
        session, session_id = _Session(token), secrets.token_urlsafe(16)
        self._sessions[session_id] = session
        about: dict[str, Any] = {"instance_id": token.instance_id, "user_id": token.user_id, "kind": token.console}
        try:
            node = await self._called(connection, session, session_id)
            if node is None:
                await connection.close(TRY_AGAIN, "the server's node does not answer")
                return
            log.event(logger, "console.opened", node=token.node_name, **about)
            reason = await self._carry(connection, node, token)
            log.event(logger, "console.closed", reason=reason, **about)
        finally:
            session.ended.set()
            del self._sessions[session_id]

    async def _called(self, browser: ServerConnection, session: _Session, session_id: str) -> ServerConnection | None:
        """Ask the node to come. None when it does not, the guest is another by now, or the browser has gone meanwhile."""
        token = session.token
        url = console_urls.as_websocket(console_urls.for_nodes(self._config))
        query = OpenConsole(
            instance_id=token.instance_id, console=ConsoleKind(token.console), boot=token.boot,
            url=f"{url}{NODE_PATH}{session_id}", key=session.key,
        )  # fmt: skip
        try:
            answer = await asyncio.to_thread(self._bus.ask, token.node_name, query)
            refusal = answer.message if answer.error_code else ""
        except CloudError as err:
            refusal = err.message
        if not refusal:
            gone = asyncio.create_task(browser.wait_closed())
            await asyncio.wait({session.arrived, gone}, timeout=CONSOLE_DIAL_S, return_when=asyncio.FIRST_COMPLETED)
            refusal = "the browser did not wait for the node" if gone.done() else "the node did not come"
            gone.cancel()
            if session.arrived.done():
                return session.arrived.result()
        log.event(
            logger, "console.failed", logging.WARNING, instance_id=token.instance_id, node=token.node_name,
            reason=refusal,
        )  # fmt: skip
        return None

    async def _carry(self, browser: ServerConnection, node: ServerConnection, token: ConsoleToken) -> str:
        """Until one end closes or the permission ends; why."""
        tasks = {
            asyncio.create_task(_pipe(browser, node), name="closed by the user"),
            asyncio.create_task(_pipe(node, browser), name="closed by the server"),
            asyncio.create_task(self._watch(token), name="no longer permitted"),
        }
        done, rest = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in rest:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        reason = next(iter(done)).get_name()
        await node.close()
        await browser.close(REFUSED if reason == "no longer permitted" else 1000, reason)
        return reason

    async def _watch(self, token: ConsoleToken) -> None:
        while await asyncio.to_thread(self._holds, token):
            await asyncio.sleep(CONSOLE_LOOK_S)


async def _pipe(source: ServerConnection, target: ServerConnection) -> None:
    try:
        async for message in source:
            await target.send(message.encode() if isinstance(message, str) else message)
    except ConnectionClosed:
        return


def _token(query: str) -> str:
    return (parse_qs(query).get("token") or [""])[0]


def _binary(_connection: ServerConnection, offered: Sequence[str]) -> str | None:
    """What noVNC asks for; a client that asks for nothing, or for what we don't know, gets frames all the same."""
    return "binary" if "binary" in offered else None


def _response(page: pages.Page) -> Response:
    return Response(page.status, http.HTTPStatus(page.status).phrase, Headers(page.headers), page.body)


def _quiet() -> logging.Logger:
    """websockets' own log has requests in it, and a request has a token (CON-06)."""
    quiet = logging.getLogger("websockets.console")
    quiet.disabled = True
    return quiet
