"""Whether somebody has touched the filter tables of a network namespace since they were last looked at.

The kernel counts the changes of a namespace's whole ruleset. While the count is the one that was seen, nothing is
different, which costs one message; when it is another, the tables are listed and compared with how they were.
"""

from __future__ import annotations

import hashlib
import json
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from common.errors import NetworkingError
from compute_agent.networking import nft

_NETLINK_NETFILTER = 12  # the socket module has no name for it
_GET_GENERATION = 10 << 8 | 16  # NFNL_SUBSYS_NFTABLES, NFT_MSG_GETGEN
_REQUEST = 1
_HEAD, _FAMILY = struct.Struct("=IHHII"), struct.pack("=BBH", 0, 0, 0)
_ATTRIBUTE = struct.Struct("=HH")
_GENERATION_ID = 1
_VOLATILE = ("handle", "index")


def current() -> int:
    """The number of the ruleset, in the namespace of the calling thread. Raises NetworkingError."""
    message = _HEAD.pack(_HEAD.size + len(_FAMILY), _GET_GENERATION, _REQUEST, 1, 0) + _FAMILY
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER) as asking:
            asking.settimeout(5)
            asking.bind((0, 0))
            asking.send(message)
            answer = asking.recv(4096)
    except OSError as err:
        raise NetworkingError("the kernel does not tell the state of the filter tables", detail=str(err)) from err
    at = _HEAD.size + len(_FAMILY)
    while at + _ATTRIBUTE.size <= len(answer):
        length, kind = _ATTRIBUTE.unpack_from(answer, at)
        if kind == _GENERATION_ID:
            return int.from_bytes(answer[at + 4 : at + 8], "big")
        at += max(length + 3 & ~3, _ATTRIBUTE.size)
    raise NetworkingError("the kernel does not tell the state of the filter tables", detail=answer.hex())


def digest(tables: Sequence[tuple[str, str]]) -> str:
    """Of all that is in these tables, however the kernel orders what has no order."""
    kept: list[tuple[str, ...]] = []
    for number, item in enumerate(nft.contents()):
        for kind, body in item.items():
            where = (body.get("family"), body.get("name") if kind == "table" else body.get("table"))
            if where in tables:
                # Only rules have an order, within their chain.
                order = f"{number:09}" if kind == "rule" else ""
                kept.append((kind, *map(str, where), str(body.get("chain", "")), order, _text(body)))
    lines = ["\t".join((*each[:4], each[5])) for each in sorted(kept)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _text(body: dict[str, object]) -> str:
    plain = {key: value for key, value in body.items() if key not in _VOLATILE}
    if isinstance(plain.get("elem"), list):
        plain["elem"] = sorted(json.dumps(each, sort_keys=True) for each in plain["elem"])  # type: ignore[attr-defined]
    return json.dumps(plain, sort_keys=True)


@dataclass
class Watched:
    """The tables of one namespace, as they were when they were known to be right. Not safe for threads."""

    tables: Sequence[tuple[str, str]]
    _generation: int | None = None
    _digest: str = ""

    def applied(self) -> None:
        """They have just been written: whatever they are now is right."""
        self._generation, self._digest = current(), ""

    def touched(self) -> bool:
        """Whether they are not what they were, or that can't be told. Raises NetworkingError."""
        now = current()
        if now == self._generation and self._digest:
            return False
        found = digest(self.tables)
        if now == self._generation or found == self._digest:
            self._generation, self._digest = now, found
            return False
        return True
