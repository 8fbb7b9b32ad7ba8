"""The one way to fetch what an address given by a user points to, made so that it can't be turned against our own network.

The name is resolved once, every address found is judged, and the connection goes to one of those addresses: a name that
answers differently the second time is never asked a second time. Each redirect passes the same check anew. Nothing but a
GET without credentials, cookies or proxy is ever sent. A test walks the tree: whoever else speaks HTTP speaks to an address
out of the configuration.
"""

from __future__ import annotations

import http.client
import io
import ipaddress
import re
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from common.clock import Clock
from common.errors import ConfigError, FetchFailed, TargetRefused

MAX_REDIRECTS = 3
_MAX_URL = 2048
_CHUNK_BYTES = 256 * 1024
_CONNECT_S = 10.0
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_REDIRECTS = (301, 302, 303, 307, 308)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_NAT64_LOCAL = ipaddress.ip_network("64:ff9b:1::/48")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolve = Callable[[str, int], Sequence[str]]
Connect = Callable[[str, int, float], socket.socket]


@dataclass(frozen=True)
class DialPolicy:
    """Who may be spoken to. hosts: names, `*.name` for all below one, `*` for any. internal: addresses that are allowed
    though they are not public. denied: addresses that never are.
    """

    hosts: tuple[str, ...]
    ports: tuple[int, ...]
    internal: tuple[Network, ...] = ()
    denied: tuple[Network, ...] = ()

    @classmethod
    def parse(cls, *, hosts: str, ports: str, internal: str, denied: str) -> DialPolicy:
        """From comma-separated lists. Raises ConfigError."""
        try:
            return cls(
                hosts=tuple(word.lower() for word in _words(hosts)),
                ports=tuple(int(word) for word in _words(ports)),
                internal=tuple(ipaddress.ip_network(word) for word in _words(internal)),
                denied=tuple(ipaddress.ip_network(word) for word in _words(denied)),
            )
        except ValueError as err:
            raise ConfigError(f"the addresses that may be fetched from are not configured rightly: {err}") from err

    @property
    def is_off(self) -> bool:
        return not self.hosts

    def names(self, host: str) -> bool:
        """Whether the host is on the list."""
        return any(
            known in ("*", host) or (known.startswith("*.") and host.endswith(known[1:])) for known in self.hosts
        )

    def admits(self, address: Address) -> bool:
        """Whether this very address may be dialled, whatever name led to it."""
        seen = [address, *_embedded(address)]
        if any(one in network for one in seen for network in self.denied if network.version == one.version):
            return False
        return all(_is_public(one) or self._is_exempt(one) for one in seen)

    def _is_exempt(self, address: Address) -> bool:
        return any(address in network for network in self.internal if network.version == address.version)


@dataclass(frozen=True)
class Target:
    """One hop: where to connect, and what to ask there. host is a name, or an address in its usual form."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        name = f"[{self.host}]" if ":" in self.host else self.host
        usual = {"http": 80, "https": 443}[self.scheme]
        return name if self.port == usual else f"{name}:{self.port}"


class Dialler:
    """resolve and connect are the only ways to the network: tests pass their own."""

    def __init__(
        self, policy: DialPolicy, clock: Clock, *, resolve: Resolve | None = None, connect: Connect | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:  # fmt: skip
        self._policy = policy
        self._clock = clock
        self._resolve = resolve or _resolve
        self._connect = connect or _connect
        self._tls = tls

    def check(self, url: str) -> Target:
        """Where the address leads, by its text alone: no name is resolved. Raises TargetRefused."""
        if len(url) > _MAX_URL or not url.isascii() or any(ord(char) <= 32 or ord(char) == 127 for char in url):
            raise TargetRefused("The address to fetch from is too long or holds characters that no address has.")
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as err:
            raise TargetRefused("The address to fetch from can't be read.") from err
        if parts.scheme not in ("http", "https"):
            raise TargetRefused("Only http and https addresses are fetched from.")
        if "@" in parts.netloc or "\\" in url or not parts.hostname:
            raise TargetRefused("The address to fetch from must be a plain host, without user, password or backslash.")
        host = _host(parts.hostname, bracketed="[" in parts.netloc)
        port = port if port is not None else {"http": 80, "https": 443}[parts.scheme]
        if not self._policy.names(host):
            raise TargetRefused(f"Fetching from {host} is not allowed here; ask the operator, who keeps the list.")
        if port not in self._policy.ports:
            raise TargetRefused(f"Fetching from port {port} is not allowed here.")
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return Target(parts.scheme, host, port, path)

    @contextmanager
    def fetch(self, url: str, *, timeout_s: float, idle_s: float) -> Iterator[Fetched]:
        """GET it, following redirects; timeout_s is for all of it, idle_s for silence. Raises TargetRefused, FetchFailed."""
        until = self._clock.monotonic() + timeout_s
        target = self.check(url)
        for _ in range(MAX_REDIRECTS + 1):
            with ExitStack() as sockets:
                response = self._ask(sockets, target, until, idle_s)
                if response.status == http.client.OK:
                    yield Fetched(response, target.host)
                    return
                if response.status not in _REDIRECTS:
                    raise FetchFailed(f"{target.host} answered with status {response.status}, not with the data.")
                target = self._redirected(target, response.getheader("Location"))
        raise FetchFailed(f"{target.host} is reached only after more than {MAX_REDIRECTS} redirects.")

    def _redirected(self, before: Target, location: str | None) -> Target:
        if not location:
            raise FetchFailed(f"{before.host} redirects without saying where to.")
        after = self.check(urljoin(f"{before.scheme}://{before.authority}{before.path}", location))
        if before.scheme == "https" and after.scheme != "https":
            raise TargetRefused(f"{before.host} redirects from https to http, which is not followed.")
        return after

    def _ask(self, sockets: ExitStack, target: Target, until: float, idle_s: float) -> http.client.HTTPResponse:
        address = self._judged(target)
        try:
            plain = sockets.enter_context(self._connect(address, target.port, min(_CONNECT_S, self._left(until))))
            plain.settimeout(min(idle_s, self._left(until)))
            wire = sockets.enter_context(self._secured(plain, target))
            connection = http.client.HTTPConnection(target.host, target.port)
            connection.sock = _Wire(wire, self._clock, until, idle_s)
            connection.putrequest("GET", target.path, skip_host=True, skip_accept_encoding=True)
            for name, value in (("Host", target.authority), ("User-Agent", "cumulet"), ("Accept", "*/*"),
                                ("Accept-Encoding", "identity"), ("Connection", "close")):  # fmt: skip
                connection.putheader(name, value)
            connection.endheaders()
            return connection.getresponse()
        except (OSError, http.client.HTTPException) as err:
            raise FetchFailed(f"{target.host} could not be fetched from.", detail=f"{address}: {err!r}") from err

    def _judged(self, target: Target) -> str:
        """The address to dial. One that is not allowed among several makes the name unusable: it is not ours to choose."""
        try:
            found = self._resolve(target.host, target.port)
        except (OSError, UnicodeError) as err:
            raise FetchFailed(f"{target.host} has no address.", detail=str(err)) from err
        if not found:
            raise FetchFailed(f"{target.host} has no address.")
        try:
            refused = [text for text in found if not self._policy.admits(ipaddress.ip_address(text))]
        except ValueError as err:  # with a zone ("fe80::1%eth0")
            raise TargetRefused(f"{target.host} leads to an address that may not be fetched from.") from err
        if refused:
            raise TargetRefused(
                f"{target.host} leads to an address that may not be fetched from.", detail=", ".join(refused)
            )
        return found[0]

    def _secured(self, plain: socket.socket, target: Target) -> socket.socket:
        if target.scheme == "http":
            return plain
        context = self._tls or ssl.create_default_context()
        return context.wrap_socket(plain, server_hostname=target.host)

    def _left(self, until: float) -> float:
        left = until - self._clock.monotonic()
        if left <= 0:
            raise TimeoutError("the time for it is over")
        return left


class Fetched:
    """A body that is being fetched; reads like a file. length: what was announced, None when nothing was."""

    def __init__(self, response: http.client.HTTPResponse, host: str) -> None:
        self._response = response
        self._host = host
        self.length = response.length

    def read(self, size: int = _CHUNK_BYTES) -> bytes:
        """What has come, at most `size`; b"" at the end. Raises FetchFailed when the connection breaks, or time is over."""
        try:
            data = self._response.read1(size)
        except (OSError, http.client.HTTPException, ValueError) as err:
            raise FetchFailed(f"The data from {self._host} stopped before their end.", detail=repr(err)) from err
        if not data and self._response.length:
            raise FetchFailed(f"The data from {self._host} stopped before their end.")
        return data


class _Wire:
    """A socket as http.client wants one; every single read is bounded by the deadline, so that trickling doesn't help."""

    def __init__(self, wire: socket.socket, clock: Clock, until: float, idle_s: float) -> None:
        self._wire = wire
        self._clock = clock
        self._until = until
        self._idle_s = idle_s

    def sendall(self, data: bytes) -> None:
        self._wire.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self._receive), _CHUNK_BYTES)

    def close(self) -> None:
        """Its owner closes the socket."""

    def _receive(self, buffer: memoryview) -> int:
        left = self._until - self._clock.monotonic()
        if left <= 0:
            raise TimeoutError("the time for it is over")
        self._wire.settimeout(min(self._idle_s, left))
        return self._wire.recv_into(buffer)


class _Reader(io.RawIOBase):
    def __init__(self, receive: Callable[[memoryview], int]) -> None:
        self._receive = receive

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        return self._receive(buffer)


def _host(text: str, *, bracketed: bool) -> str:
    """A name, or an address in the one usual form. Raises TargetRefused: readers differ on what else an address may be."""
    if bracketed:
        try:
            return str(ipaddress.IPv6Address(text))
        except ValueError as err:
            raise TargetRefused("The address to fetch from can't be read.") from err
    labels = text.split(".")
    if labels[-1][:1].isdigit() or labels[-1].startswith("0x"):  # an address, whatever it looks like
        try:
            return str(ipaddress.IPv4Address(text))
        except ValueError as err:
            raise TargetRefused(f"Write the address {text[:64]} in the usual form, as four decimal numbers.") from err
    if len(text) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise TargetRefused(f"{text[:64]!r} is no host name.")
    return text


def _embedded(address: Address) -> list[Address]:
    """IPv4 addresses that an IPv6 address stands for: mapped, compatible, 6to4, Teredo, NAT64."""
    if isinstance(address, ipaddress.IPv4Address):
        return []
    found: list[Address] = [one for one in (address.ipv4_mapped, address.sixtofour) if one is not None]
    if address.teredo is not None:
        found += address.teredo
    if address in _NAT64 or address in _NAT64_LOCAL or 0xFFFF < int(address) <= 0xFFFF_FFFF:
        found.append(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF))
    return found


def _is_public(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address) and _embedded(address):
        return address.ipv4_mapped is not None or address in _NAT64 or address.sixtofour is not None
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def _resolve(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _connect(address: str, port: int, timeout_s: float) -> socket.socket:
    """To a literal address: nothing is resolved here."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    wire = socket.socket(family, socket.SOCK_STREAM)
    try:
        wire.settimeout(timeout_s)
        wire.connect((address, port))
    except BaseException:
        wire.close()
        raise
    return wire


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]
