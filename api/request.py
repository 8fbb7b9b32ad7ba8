"""What a handler gets and gives: one request with its verified caller, and one reply. No Flask beyond this folder."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, Any, BinaryIO

from api.microversion import Microversion
from common.clock import Clock
from common.config import Config
from common.context import RequestContext
from common.db.session import Database
from common.rpc.bus import Bus
from common.tokens import TokenCodec

_CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Services:
    """What the API process holds; nothing of its own, all of it passed down."""

    config: Config
    db: Database
    bus: Bus
    clock: Clock
    tokens: TokenCodec
    imports: threading.Event = field(default_factory=threading.Event)  # set when there is an import to work on


@dataclass(frozen=True)
class ApiRequest:
    """body: the decoded JSON (None when there is none). query: every value of every parameter, in order."""

    services: Services
    context: RequestContext
    version: Microversion
    method: str
    path: str
    base_url: str  # what links begin with: scheme, host and service prefix, without a slash at the end
    headers: Mapping[str, str]
    query: Mapping[str, list[str]]
    body: Any = None
    stream: IO[bytes] | None = None  # the raw body of routes that take bytes
    content_type: str = ""

    def arg(self, name: str, default: str | None = None) -> str | None:
        """The last value of a query parameter."""
        values = self.query.get(name)
        return values[-1] if values else default


class FileSpan:
    """The bytes [start, end) of an open file, in chunks; closes the file when the server is done with it.

    to_end: they go on to the file's end, so that the server may let the kernel send them.
    """

    def __init__(self, file: BinaryIO, start: int, end: int, *, to_end: bool) -> None:
        self.file = file
        self.to_end = to_end
        self._start = start
        self._end = end

    def rewound(self) -> BinaryIO:
        """The file, at the first of the bytes."""
        self.file.seek(self._start)
        return self.file

    def __iter__(self) -> Iterator[bytes]:
        file, left = self.rewound(), self._end - self._start
        while left > 0 and (chunk := file.read(min(_CHUNK_BYTES, left))):
            left -= len(chunk)
            yield chunk

    def close(self) -> None:
        self.file.close()


@dataclass(frozen=True)
class Reply:
    """body: a JSON value, bytes, an iterable of bytes (streamed), or None for an empty body."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    stream: Iterable[bytes] | None = None
