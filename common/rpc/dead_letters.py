"""What may be said of a dead letter: what it was, whom it was about, why it is here. Never its contents (BUS-07).

User data of guests is among them, and the beginning of a hostile body may be anything: only words and ids are taken.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

_KIND = re.compile(r'"(?:kind|type)":"([a-z_]{1,40})"')
_IDS = {
    name: re.compile(rf'"{name}":"([0-9A-Za-z-]{{1,64}})"') for name in ("instance_id", "operation_id", "request_id")
}


@dataclass(frozen=True)
class DeadLetter:
    """Empty texts where the message doesn't say. reason: RabbitMQ's word (rejected, delivery_limit, expired, maxlen)."""

    kind: str
    instance_id: str
    operation_id: str
    request_id: str
    queue: str
    reason: str
    user: str
    size_bytes: int
    at: datetime | None


def read(message: Mapping[str, Any]) -> DeadLetter:
    """Of a message as RabbitMQ's management API gives it."""
    payload = str(message.get("payload", ""))
    properties = message.get("properties") or {}
    deaths = (properties.get("headers") or {}).get("x-death") or [{}]
    death = deaths[0]
    at = death.get("time")
    kind = _KIND.search(payload)
    ids = {name: found.group(1) if (found := each.search(payload)) else "" for name, each in _IDS.items()}
    return DeadLetter(
        kind=kind.group(1) if kind else "",
        **ids,
        queue=str(death.get("queue", "")),
        reason=str(death.get("reason", "")),
        user=str(properties.get("user_id", "")),
        size_bytes=int(message.get("payload_bytes", 0)),
        at=datetime.fromtimestamp(at, UTC) if isinstance(at, int | float) else None,
    )
