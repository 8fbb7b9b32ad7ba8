"""gzip for large JSON answers to clients that ask for it: a list of a thousand servers shrinks to a tenth.

Image data is never compressed (it is streamed, its length is promised, and it seldom shrinks). Tokens travel in headers
and no cookie authenticates anyone, so a page can't make a victim's browser mix its guesses with a secret (BREACH).
"""

from __future__ import annotations

import gzip

#: smaller answers fit into a few packets, and compressing them costs more than it saves
LEAST_BYTES = 8 * 1024
#: level 1: nearly the ratio of the higher ones on JSON, at a fraction of their time
_LEVEL = 1


def is_worth_it(status: int, media_type: str, size: int) -> bool:
    """Whether an answer of `size` bytes depends on Accept-Encoding at all."""
    return status == 200 and media_type == "application/json" and size >= LEAST_BYTES


def compress(body: bytes) -> bytes:
    """The same bytes for the same body, since no time is written into it."""
    return gzip.compress(body, _LEVEL, mtime=0)


def prefers_gzip(accept_encoding: str) -> bool:
    """Whether gzip is acceptable, and identity not more so (RFC 9110, 12.5.3)."""
    quality = dict(_quality(part) for part in accept_encoding.lower().split(",") if part.strip())
    rank = quality.get("gzip", quality.get("x-gzip", quality.get("*", 0.0)))
    return rank > 0 and rank >= quality.get("identity", 0.0)


def _quality(part: str) -> tuple[str, float]:
    name, _, parameter = part.partition(";")
    key, _, value = parameter.partition("=")
    if key.strip() != "q":
        return name.strip(), 1.0
    try:
        return name.strip(), float(value)
    except ValueError:
        return name.strip(), 0.0
