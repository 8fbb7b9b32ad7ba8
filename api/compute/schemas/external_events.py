"""Bodies of POST /os-server-external-events: the events that a microversion knows."""

from __future__ import annotations

from functools import lru_cache

from api.microversion import Microversion
from api.schema import UUID, Schema, obj

_FIRST = ("network-changed", "network-vif-plugged", "network-vif-unplugged", "network-vif-deleted")
_ADDED = (
    ("volume-extended", Microversion(2, 51)), ("power-update", Microversion(2, 76)),
    ("accelerator-request-bound", Microversion(2, 82)), ("volume-reimaged", Microversion(2, 93)),
)  # fmt: skip
MAX_EVENTS = 1000


@lru_cache(maxsize=128)
def create(version: Microversion) -> Schema:
    """The body at this microversion."""
    names = [*_FIRST, *(name for name, since in _ADDED if version >= since)]
    event = obj(
        {
            "name": {"enum": names}, "server_uuid": UUID, "status": {"enum": ["failed", "completed", "in-progress"]},
            "tag": {"type": "string", "maxLength": 255},
        },
        ("name", "server_uuid"),
    )  # fmt: skip
    return obj({"events": {"type": "array", "items": event, "minItems": 1, "maxItems": MAX_EVENTS}}, ("events",))


CREATE_NEWEST = create(Microversion(2, 100))
