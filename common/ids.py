"""Identifiers. Callers make ids before the work starts, so that repeating the work repeats the id."""

from __future__ import annotations

import re
import uuid

_REQUEST_ID = re.compile(r"^req-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z")


def new_id() -> str:
    """A UUID with dashes: servers, images, ports, operations."""
    return str(uuid.uuid4())


def new_hex_id() -> str:
    """A UUID without dashes: identity's ids, as Keystone makes them."""
    return uuid.uuid4().hex


def new_request_id() -> str:
    return f"req-{uuid.uuid4()}"


def is_request_id(text: str) -> bool:
    return bool(_REQUEST_ID.match(text))


def is_uuid(text: str) -> bool:
    """True for a UUID with or without dashes, as OpenStack's clients send both."""
    try:
        return str(uuid.UUID(text)).replace("-", "") == text.replace("-", "").lower()
    except ValueError:
        return False
