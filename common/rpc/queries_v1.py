"""The few questions the API and the console service ask an agent while a client waits.

Five seconds, outside any transaction, no state of ours changed, but that a console is opened, and that the node's image
cache is told what it may do in advance or without. No answer is a 409 that names the node (common.errors). Two of them ask
something of the guest itself, which nothing else of the cloud knows or keeps.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

from common.rpc.command_base import ImageSpec
from common.rpc.compute_v1 import DomainDigest


class ConsoleLog(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="console_log"):
    """The last `length` lines of the serial console; None for all that is kept (bounded by the agent)."""

    instance_id: str
    length: int | None = None


class Diagnostics(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="diagnostics"):
    instance_id: str


class Domains(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="domains"):
    """Every domain of this cloud on the node, as the next heartbeat would tell it; for the audit."""


class ConsoleKind(StrEnum):
    SCREEN = "screen"  # VNC
    SERIAL = "serial"


class ConsoleBoot(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="console_boot"):
    """Whether the guest runs: the answer's text names its present boot, and no other boot of any guest here."""

    instance_id: str


class SetPassword(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="set_password"):
    """Have the guest's agent set a user's password, which is sealed for the node (common/node_seal.py)."""

    instance_id: str
    user: str
    sealed_password: str


class InjectNmi(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="inject_nmi"):
    """Send the guest a non-maskable interrupt, at which it does what it is set up to do."""

    instance_id: str


class OpenConsole(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="open_console"):
    """Connect the guest's console, if this is its boot still, to a websocket at `url`, showing `key` there, once.

    Answered when the console is open on the node; the connection follows.
    """

    instance_id: str
    console: ConsoleKind
    boot: str
    url: str
    key: str


class CachedImages(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="cached_images"):
    """What is in the node's image cache, and what is to come into it."""


class FetchImage(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="fetch_image"):
    """Have the image in the cache soon. Answered when that is written down, or the image is there."""

    image: ImageSpec


class DropImages(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="drop_images"):
    """Remove images that no disk is built on from the cache, or from what is to come. sha512s None: all of them."""

    sha512s: list[str] | None = None
    cached: bool = True
    queued: bool = True


class UnmanagedFiles(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="unmanaged_files"):
    """What lies in the node's folder of volumes and could become a volume, or a snapshot."""

    snapshots: bool = False


Query = (
    ConsoleLog
    | Diagnostics
    | Domains
    | ConsoleBoot
    | OpenConsole
    | SetPassword
    | InjectNmi
    | CachedImages
    | FetchImage
    | DropImages
    | UnmanagedFiles
)


class CachedImageEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One image of a node's cache. queued: it is still to come, and the rest says nothing.

    hits: how many disks and copies were made from it here; used_at: the last of them, or when it came.
    """

    sha512: str
    queued: bool = False
    size_bytes: int = 0
    hits: int = 0
    fetched_at: datetime | None = None
    used_at: datetime | None = None


class UnmanagedFile(msgspec.Struct, frozen=True, kw_only=True):
    """size_bytes: as a guest would see it. unsafe: why it can't be used; "": it can."""

    name: str
    disk_format: str
    size_bytes: int
    unsafe: str = ""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """`error_code` is empty on success; `text` holds a console log, `data` anything structured, a list what its name says."""

    error_code: str = ""
    message: str = ""
    text: str = ""
    data: dict[str, str | int | float | bool | None] = {}
    domains: list[DomainDigest] = []
    images: list[CachedImageEntry] = []
    files: list[UnmanagedFile] = []


_query_decoder: msgspec.json.Decoder[Query] = msgspec.json.Decoder(Query)
_answer_decoder: msgspec.json.Decoder[Answer] = msgspec.json.Decoder(Answer)


def encode(message: Query | Answer) -> bytes:
    return msgspec.json.encode(message)


def decode_query(body: bytes) -> Query:
    return _query_decoder.decode(body)


def decode_answer(body: bytes) -> Answer:
    return _answer_decoder.decode(body)
