"""Query parameters of lists: page, sort order, times and booleans, each refused with a 400 that names it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime

from api.request import ApiRequest
from common.db.paging import Page
from common.errors import Forbidden, InvalidRequest

_TRUE = ("1", "t", "true", "on", "y", "yes")
_FALSE = ("0", "f", "false", "off", "n", "no")
MAX_VALUE_CHARS = 255


def text(request: ApiRequest, name: str) -> str | None:
    """A parameter's last value. Raises InvalidRequest when it is too long for anything it could name."""
    value = request.arg(name)
    if value is not None and (len(value) > MAX_VALUE_CHARS or "\x00" in value):
        raise InvalidRequest(
            f"Invalid input for query parameter {name}: at most {MAX_VALUE_CHARS} printable characters."
        )
    return value


def number(request: ApiRequest, name: str, default: int) -> int:
    """A non-negative whole number. Raises InvalidRequest."""
    value = text(request, name)
    if value is None:
        return default
    if not (value.isascii() and value.isdecimal() and len(value) <= 18):
        raise InvalidRequest(
            f"Invalid input for query parameters {name}. Value: {value[:40]}. A whole number, 0 or more, is needed."
        )
    return int(value)


def boolean(request: ApiRequest, name: str, default: bool, *, empty: bool | None = None) -> bool:
    """A boolean in the words that compute's clients use; `empty` is the meaning of no text. Raises InvalidRequest."""
    value = text(request, name)
    if value is None:
        return default
    if value == "" and empty is not None:
        return empty
    lowered = value.lower()
    if lowered not in _TRUE + _FALSE:
        raise InvalidRequest(f"Invalid input for query parameters {name}. Value: {value[:40]}. A boolean is needed.")
    return lowered in _TRUE


def time(request: ApiRequest, name: str) -> datetime | None:
    """An ISO 8601 time; without zone it is UTC. Raises InvalidRequest."""
    value = text(request, name)
    if value is None:
        return None
    try:
        parsed = datetime.fromisoformat(value.replace(" 0", "+0") if "T" in value else value)
        return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as err:
        raise InvalidRequest(
            f"Invalid input for query parameters {name}. Value: {value[:40]}. A time is needed."
        ) from err


def check_directions(request: ApiRequest) -> None:
    """For lists that look at directions even where no key is given. Raises InvalidRequest."""
    for direction in request.query.get("sort_dir", []):
        if direction not in ("asc", "desc"):
            raise InvalidRequest(f"Invalid input for query parameters sort_dir. Value: {direction[:40]}. asc or desc.")


def page(
    request: ApiRequest, *, ignored: Collection[str] = (), admin_only: Collection[str] = (), default_dir: str = "desc"
) -> Page:
    """limit, marker and the pairs of sort_key and sort_dir; which keys exist is the query's business.

    `ignored` keys are dropped in silence, as Nova does. Raises InvalidRequest, Forbidden for an administrator's key.
    """
    most = request.services.config.api.max_limit
    limit = min(number(request, "limit", most) or most, most)
    directions = list(request.query.get("sort_dir", []))
    sort: list[tuple[str, bool]] = []
    for index, key in enumerate(list(request.query.get("sort_key", []))[:8]):
        direction = directions[index] if index < len(directions) else (directions[-1] if directions else default_dir)
        if direction not in ("asc", "desc"):
            raise InvalidRequest(f"Unknown sort direction {direction[:40]!r}, must be 'desc' or 'asc'.")
        if key in admin_only and not request.context.is_admin:
            raise Forbidden(f"Only administrators can sort servers by {key}")
        if key not in ignored:
            sort.append((key, direction == "desc"))
    return Page(limit=limit, marker=text(request, "marker") or None, sort=tuple(sort))
