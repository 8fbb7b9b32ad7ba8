"""What a guest may leave as its password: said once for the node that hears it and for the API that keeps it.

The node asks first, so that nonsense costs the API nothing; the API asks again, as it takes no node's word.
Source: Nova's metadata service, four chunks of 255 characters.
"""

from __future__ import annotations

import re

MAX_BYTES = 1020
REFUSAL = f"A password is 1 to {MAX_BYTES} printable characters: encrypted by the guest, and in base64."
_PRINTABLE = re.compile(rb"[\x20-\x7e\r\n]+")


def read(body: bytes) -> str | None:
    """None: it is none, for REFUSAL's reasons."""
    if len(body) > MAX_BYTES or not _PRINTABLE.fullmatch(body):
        return None
    return body.decode("ascii")
