"""Times that clients name: ISO 8601, in the future."""

from __future__ import annotations

from datetime import UTC, datetime

from common.errors import InvalidRequest


def future_time(text: str | None, now: datetime, what: str) -> datetime | None:
    """Raises InvalidRequest for no time, or a past one. `what`: whose end it is, for the message."""
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError as err:
        raise InvalidRequest("Invalid input for field/attribute expires_at: it is no ISO 8601 time.") from err
    time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    if time <= now:
        raise InvalidRequest(f"The expiration time of {what} must lie in the future.")
    return time
