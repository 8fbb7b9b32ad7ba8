"""What the filters log, written down: one JSON object per packet, in a file of bounded size.

The kernel hands logged packets to a netlink socket (NFLOG) of the network namespace that it was opened in; a thread reads
them. The rate is bounded in the filters (filter_logs.py), the file here: it is renamed at MAX_BYTES, and so many are kept.
"""

from __future__ import annotations

import errno
import ipaddress
import json
import logging
import logging.handlers
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from common.clock import Clock
from common.errors import NetworkingError
from common.log import event
from common.rpc.compute_v1 import PortSpec
from compute_agent.networking import filter_logs, names

MAX_BYTES, KEPT_FILES = 16 * 1024 * 1024, 4
LOOK_UP_S = 1.0  # how long the thread waits for a packet before it sees whether it is to end

_NETLINK_NETFILTER = 12  # the socket module has no name for it
_CONFIG = 4 << 8 | 1  # NFNL_SUBSYS_ULOG, NFULNL_MSG_CONFIG
_PACKET = 4 << 8 | 0
_ERROR = 2  # NLMSG_ERROR
_REQUEST, _ACK = 1, 4
_BIND, _COPY_PACKET = 1, 2
_CONFIG_COMMAND, _CONFIG_MODE = 1, 2  # attributes of a configuration
_PAYLOAD, _PREFIX = 9, 10  # attributes of a packet
_HEAD, _FAMILY, _ATTRIBUTE = struct.Struct("=IHHII"), struct.Struct("!BBH"), struct.Struct("=HH")
_WITH_PORTS = {6: "tcp", 17: "udp", 33: "dccp", 132: "sctp", 136: "udplite"}
_ICMP = {1: "icmp", 58: "icmpv6"}

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Known:
    """Whom the short ids of prefixes stand for: ports with their projects, and logs."""

    ports: dict[str, tuple[str, str]] = field(default_factory=dict)
    logs: dict[str, str] = field(default_factory=dict)


class PacketLog:
    """Listens while a port is logged. Not safe for threads, but for its own."""

    def __init__(self, path: Path | None, clock: Clock, source: Callable[[], socket.socket] | None = None) -> None:
        """path None: lines go to the log of the process. source: where packets come from; None: the kernel."""
        self._path, self._clock, self._source = path, clock, source or _socket
        self._known = _Known()
        self._listening: _Listening | None = None

    def follow(self, ports: Sequence[PortSpec]) -> None:
        """Write down what of these ports is logged from now on. Raises NetworkingError."""
        logged = [port for port in ports if port.logs is not None]
        self._known = _known(logged)
        if not logged or (self._listening is not None and not self._listening.alive()):
            self.close()
        if logged and self._listening is None:
            self._listening = _Listening(self._source(), self._write, _handler(self._path))

    def close(self) -> None:
        if self._listening is not None:
            self._listening.end()
            self._listening = None

    def _write(self, payload: bytes, text: str) -> str:
        """The line for a packet; "" for one that nobody asked for any more."""
        try:
            prefix, packet = filter_logs.parse(text), describe(payload)
        except (ValueError, struct.error, IndexError):
            return ""
        port_id, project_id = self._known.ports.get(prefix.port, ("", ""))
        heard = [self._known.logs[each] for each in prefix.logs if each in self._known.logs]
        if not port_id or not heard:
            return ""
        line = {
            "time": self._clock.now().isoformat(timespec="milliseconds"),
            "action": "ACCEPT" if prefix.accepted else "DROP",
            "direction": prefix.direction,
            "port_id": port_id,
            "project_id": project_id,
            "log_ids": heard,
            **packet,
        }
        return json.dumps(line)


def _known(ports: Sequence[PortSpec]) -> _Known:
    known = _Known()
    for port in ports:
        if port.logs is None:
            continue
        known.ports[names.short(port.id)] = (port.id, port.logs.project_id)
        for log_id in (*port.logs.dropped, *(each for rule in port.rules for each in rule.logs)):
            known.logs[names.short(log_id)] = log_id
    return known


def describe(payload: bytes) -> dict[str, Any]:
    """What the beginning of an IP packet says. Raises ValueError, struct.error, IndexError for what is none."""
    version = payload[0] >> 4
    if version == 4:
        length, protocol, source, target = struct.unpack_from("!2xH5xB2x4s4s", payload)
        rest = payload[(payload[0] & 15) * 4 :]
    elif version == 6:
        length, protocol, source, target = struct.unpack_from("!4xHBx16s16s", payload)
        length, rest = length + 40, payload[40:]
    else:
        raise ValueError(f"not an IP packet: version {version}")
    found: dict[str, Any] = {
        "protocol": _WITH_PORTS.get(protocol) or _ICMP.get(protocol) or str(protocol),
        "source": str(ipaddress.ip_address(source)),
        "destination": str(ipaddress.ip_address(target)),
        "length": length,
    }
    if protocol in _WITH_PORTS and len(rest) >= 4:
        found["source_port"], found["destination_port"] = struct.unpack_from("!HH", rest)
    if protocol in _ICMP and len(rest) >= 2:
        found["type"], found["code"] = rest[0], rest[1]
    return found


class _Listening:
    """A socket, the file, and the thread between them."""

    def __init__(self, source: socket.socket, line_of: Callable[[bytes, str], str], handler: logging.Handler) -> None:
        self._source, self._line_of, self._handler = source, line_of, handler
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._read, name="packet-log", daemon=True)
        self._thread.start()

    def alive(self) -> bool:
        """False when the socket failed: whoever follows next begins anew."""
        return self._thread.is_alive()

    def end(self) -> None:
        self._ending.set()
        self._thread.join(timeout=5 * LOOK_UP_S)
        self._handler.close()

    def _read(self) -> None:
        with self._source:
            while not self._ending.is_set():
                try:
                    data = self._source.recv(1 << 17)
                except TimeoutError:
                    continue
                except OSError as err:
                    if err.errno != errno.ENOBUFS:
                        event(logger, "networking.packet_log_ended", logging.ERROR, reason=str(err))
                        return
                    self._emit(json.dumps({"action": "LOST", "reason": "more was logged than could be read"}))
                    continue
                for payload, prefix in packets(data):
                    line = self._line_of(payload, prefix)
                    if line:
                        self._emit(line)

    def _emit(self, line: str) -> None:
        self._handler.emit(logging.makeLogRecord({"msg": line, "name": __name__, "levelno": logging.INFO}))


def packets(data: bytes) -> Iterator[tuple[bytes, str]]:
    """The packets in what the kernel sent: their bytes, and the prefix that their rule gave them."""
    at = 0
    while at + _HEAD.size <= len(data):
        length, kind, *_ = _HEAD.unpack_from(data, at)
        if length < _HEAD.size:
            return
        if kind == _PACKET:
            found = dict(_attributes(data[at + _HEAD.size + _FAMILY.size : at + length]))
            if _PAYLOAD in found and _PREFIX in found:
                yield found[_PAYLOAD], found[_PREFIX].rstrip(b"\0").decode("ascii", "replace")
        at += length + 3 & ~3


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        if length < _ATTRIBUTE.size:
            return
        yield kind, data[at + _ATTRIBUTE.size : at + length]
        at += length + 3 & ~3


def _socket() -> socket.socket:
    """In the network namespace of the calling thread. Raises NetworkingError."""
    listening = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER)
    try:
        listening.bind((0, 0))
        listening.settimeout(LOOK_UP_S)
        for kind, value in (
            (_CONFIG_COMMAND, struct.pack("B", _BIND)),
            (_CONFIG_MODE, struct.pack("!IBx", filter_logs.SNAPLEN, _COPY_PACKET)),
        ):
            attribute = _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value
            body = _FAMILY.pack(0, 0, filter_logs.GROUP) + attribute + bytes(-len(attribute) % 4)
            listening.send(_HEAD.pack(_HEAD.size + len(body), _CONFIG, _REQUEST | _ACK, 1, 0) + body)
            _expect_ack(listening.recv(8192))
    except OSError as err:
        listening.close()
        raise NetworkingError("the kernel does not hand out logged packets", detail=str(err)) from err
    return listening


def _expect_ack(answer: bytes) -> None:
    _, kind, *_ = _HEAD.unpack_from(answer)
    if kind == _ERROR:
        (number,) = struct.unpack_from("=i", answer, _HEAD.size)
        if number:
            raise OSError(-number, os.strerror(-number))


class _PrivateFile(logging.handlers.RotatingFileHandler):
    """Whom a tenant's guests talk to is nobody else's business."""

    def _open(self) -> TextIOWrapper:
        handle = os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        return os.fdopen(handle, "a", encoding="utf-8")


def _handler(path: Path | None) -> logging.Handler:
    if path is None:
        return logging.StreamHandler()
    path.parent.mkdir(parents=True, exist_ok=True)
    return _PrivateFile(path, maxBytes=MAX_BYTES, backupCount=KEPT_FILES)
