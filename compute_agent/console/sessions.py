"""Consoles that are open: the node goes to the console service by itself, so that nothing listens on it (CON-08).

A session is two threads that carry bytes between the guest's console and one websocket, until either end is closed.
Screens may be watched by several; of serial consoles the newest session takes the place of the one before.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import ssl
import threading
from typing import TYPE_CHECKING

from common import log
from common.deadlines import CONSOLE_DIAL_S
from common.errors import HypervisorError, StateConflict
from common.rpc.queries_v1 import ConsoleKind, OpenConsole
from compute_agent.hypervisor.base import Hypervisor

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection

logger = logging.getLogger(__name__)
MOST_SESSIONS = 64
CHUNK = 65536
_POLL_MS = 500
_QUIET = logging.getLogger("websockets.console")  # its own log has the key in it (CON-06)
_QUIET.disabled = True


class _Session:
    """fd: the guest's console, which this session closes."""

    def __init__(self, query: OpenConsole, fd: int) -> None:
        self.query, self.fd = query, fd
        self.ended = threading.Event()


class Consoles:
    def __init__(self, hypervisor: Hypervisor, *, ca_file: str) -> None:
        """ca_file: who vouches for the console service, where it speaks TLS; "" : the system's authorities."""
        self._hypervisor = hypervisor
        self._ca_file = ca_file
        self._lock = threading.Lock()
        self._sessions: list[_Session] = []

    def open(self, query: OpenConsole) -> None:
        """Open the guest's console, and begin to connect it. Raises StateConflict for another boot, HypervisorError."""
        if self._hypervisor.boot_id(query.instance_id) != query.boot:
            raise StateConflict(f"server {query.instance_id} was started anew since its console was asked for")
        with self._lock:
            if len(self._sessions) >= MOST_SESSIONS:
                raise HypervisorError(f"this node has {MOST_SESSIONS} consoles open, and opens no more")
            if query.console is ConsoleKind.SERIAL:
                for older in self._sessions:
                    if older.query.console is ConsoleKind.SERIAL and older.query.instance_id == query.instance_id:
                        older.ended.set()
            session = _Session(query, self._hypervisor.open_console(query.instance_id, query.console))
            self._sessions.append(session)
        name = f"console {query.instance_id}"
        threading.Thread(target=self._run, args=(session,), name=name, daemon=True).start()

    def _run(self, session: _Session) -> None:
        reason = ""
        with log.bind(instance_id=session.query.instance_id):
            log.event(logger, "console.opened", kind=session.query.console.value)
            try:
                self._carry(session)
            except Exception as err:  # noqa: BLE001 - whatever a connection does, it ends this session and nothing else
                reason = f"{type(err).__name__}: {err}".replace(session.query.key, "***")
            finally:
                session.ended.set()
                with self._lock:
                    self._sessions.remove(session)
                os.close(session.fd)
            log.event(logger, "console.closed", kind=session.query.console.value, reason=reason[:300])

    def _carry(self, session: _Session) -> None:
        # Here: a node that shows no console does without it.
        from websockets.exceptions import ConnectionClosed
        from websockets.sync.client import connect

        query = session.query
        tls = ssl.create_default_context(cafile=self._ca_file or None) if query.url.startswith("wss:") else None
        with connect(
            query.url, ssl=tls, additional_headers={"Authorization": f"Bearer {query.key}"}, compression=None,
            open_timeout=CONSOLE_DIAL_S, proxy=None, logger=_QUIET,
        ) as socket:  # fmt: skip
            reader = threading.Thread(target=_read, args=(session, socket), name="console reader", daemon=True)
            reader.start()
            with contextlib.suppress(ConnectionClosed):
                for message in socket:
                    _write_all(session, message.encode() if isinstance(message, str) else message)
            session.ended.set()
            reader.join()


def _read(session: _Session, socket: ClientConnection) -> None:
    """From the guest to the socket; what ends it closes the socket, which ends the other direction."""
    from websockets.exceptions import ConnectionClosed

    with contextlib.suppress(ConnectionClosed, OSError):
        while not session.ended.is_set():
            if not _ready(session.fd, select.POLLIN):
                continue
            data = os.read(session.fd, CHUNK)
            if not data:
                break
            socket.send(data)
    socket.close()


def _write_all(session: _Session, data: bytes) -> None:
    while data and not session.ended.is_set():
        if _ready(session.fd, select.POLLOUT):
            data = data[os.write(session.fd, data) :]


def _ready(fd: int, what: int) -> bool:
    """Raises OSError when the other end is gone and nothing is left to read."""
    poll = select.poll()
    poll.register(fd, what)
    for _, events in poll.poll(_POLL_MS):
        if events & what:
            return True
        raise OSError("the console was closed")
    return False
