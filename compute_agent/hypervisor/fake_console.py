"""Consoles of the driver `fake`: a serial one that says who it is and echoes, and a screen of one pixel by RFB 3.8."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading

from common.rpc.queries_v1 import ConsoleKind

_VERSION = b"RFB 003.008\n"
_NO_AUTHENTICATION = 1
_PIXELS = struct.pack(">BBBBHHHBBB3x", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)


def open_(kind: ConsoleKind, name: str) -> int:
    """One end of a pair, the caller's to close; the other lives until then."""
    ours, theirs = socket.socketpair()
    serve = _screen if kind is ConsoleKind.SCREEN else _serial
    threading.Thread(target=_guarded, args=(serve, ours, name), name="fake-console", daemon=True).start()
    return theirs.detach()


def _guarded(serve: object, end: socket.socket, name: str) -> None:
    assert callable(serve)
    with end, contextlib.suppress(OSError, EOFError):
        serve(end, name)


def _serial(end: socket.socket, name: str) -> None:
    end.sendall(f"{name} login: ".encode())
    while data := end.recv(4096):
        end.sendall(data)


def _screen(end: socket.socket, name: str) -> None:
    """Handshake and first messages of RFB 3.8 (RFC 6143, section 7); what a viewer asks for later is not answered."""
    end.sendall(_VERSION)
    _exactly(end, len(_VERSION))
    end.sendall(bytes([1, _NO_AUTHENTICATION]))
    _exactly(end, 1)
    end.sendall(struct.pack(">I", 0))  # SecurityResult: ok
    _exactly(end, 1)  # ClientInit
    title = name.encode()
    end.sendall(struct.pack(">HH", 1, 1) + _PIXELS + struct.pack(">I", len(title)) + title)
    while end.recv(4096):
        pass


def _exactly(end: socket.socket, count: int) -> None:
    while count:
        got = end.recv(count)
        if not got:
            raise EOFError
        count -= len(got)
