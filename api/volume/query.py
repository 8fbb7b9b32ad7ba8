"""Query parameters of the block storage API's lists: page, sort order, times and booleans, each refused by name."""

from __future__ import annotations

import ast
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from api.request import ApiRequest
from common.db.paging import Page
from common.errors import InvalidRequest, NotFound

_TRUE = ("1", "t", "true", "on", "y", "yes")
_FALSE = ("0", "f", "false", "off", "n", "no")
_MOST_CHARS = 255
_MOST_ROWS = 2**31 - 1


def text(request: ApiRequest, name: str) -> str | None:
    """A parameter's last value. Raises InvalidRequest when it is too long for anything it could name."""
    value = request.arg(name)
    if value is not None and (len(value) > _MOST_CHARS or "\x00" in value):
        raise InvalidRequest(f"Invalid input for query parameter {name}: at most {_MOST_CHARS} printable characters.")
    return value


def boolean(request: ApiRequest, name: str, *, default: bool = False) -> bool:
    """Raises InvalidRequest."""
    value = text(request, name)
    if value is None:
        return default
    if value.lower() not in _TRUE + _FALSE:
        raise InvalidRequest(f"Invalid input for query parameter {name}. Value: {value[:40]!r} is not a boolean.")
    return value.lower() in _TRUE


def pairs(request: ApiRequest, name: str) -> dict[str, str]:
    """A dictionary as clients write it, {'key': 'value'}: metadata and glance_metadata. Raises InvalidRequest."""
    value = text(request, name)
    if not value:
        return {}
    try:
        found = ast.literal_eval(value)
    except (ValueError, SyntaxError, MemoryError, RecursionError) as err:
        raise InvalidRequest(f"Invalid input for query parameter {name}. Value: {value[:40]!r}.") from err
    if not isinstance(found, dict):
        raise InvalidRequest(f"Invalid input for query parameter {name}: a dictionary is needed.")
    return {str(key): str(each) for key, each in found.items()}


def times(request: ApiRequest, name: str, operators: tuple[str, ...]) -> tuple[tuple[str, datetime], ...]:
    """Comparisons as `gt:2026-01-01T00:00:00,lt:…`; without an operator equality is meant. Raises InvalidRequest."""
    found = []
    for part in (text(request, name) or "").split(","):
        if not part:
            continue
        operator, _, rest = part.partition(":")
        if operator not in operators:
            operator, rest = "eq", part
        found.append((operator, _time(name, rest)))
    return tuple(found)


def _time(name: str, value: str) -> datetime:
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError as err:
        raise InvalidRequest(f"Invalid input for query parameter {name}: {value[:40]!r} is no time.") from err
    return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def number(request: ApiRequest, name: str) -> int | None:
    """A whole number, 0 or more. Raises InvalidRequest."""
    value = text(request, name)
    if value is None:
        return None
    if not (value.isascii() and value.isdecimal() and len(value) <= 18):
        raise InvalidRequest(f"Invalid input for query parameter {name}. Value: {value[:40]!r} must be 0 or more.")
    return int(value)


def page(request: ApiRequest) -> Page:
    """limit, offset, marker, and `sort=key:dir,key` or its older form sort_key and sort_dir. Raises InvalidRequest.

    A marker that isn't there is, in this API, something that was not found.
    """
    most = request.services.config.api.max_limit
    limit = number(request, "limit")
    return Page(
        limit=most if limit is None else min(limit, most), marker=text(request, "marker") or None, sort=_sort(request),
        offset=min(number(request, "offset") or 0, _MOST_ROWS), no_marker=NotFound,
    )  # fmt: skip


def _sort(request: ApiRequest) -> tuple[tuple[str, bool], ...]:
    wanted: list[tuple[str, str]] = []
    for part in (text(request, "sort") or "").split(","):
        key, _, direction = part.strip().partition(":")
        if key:
            wanted.append((key, direction or "desc"))
    older = text(request, "sort_key")
    if not wanted and older:
        wanted.append((older, text(request, "sort_dir") or "desc"))
    for _, direction in wanted:
        if direction not in ("asc", "desc"):
            raise InvalidRequest(f"Unknown sort direction {direction[:40]!r}, must be 'desc' or 'asc'.")
    return tuple((key, direction == "desc") for key, direction in wanted[:8])


def next_link(request: ApiRequest, noun: str, ids: list[str]) -> dict[str, Any]:
    """{"<noun>_links": […]} when this page is full, else nothing; the other parameters are kept."""
    asked = number(request, "limit")
    most = request.services.config.api.max_limit
    limit = most if asked is None else min(asked, most)
    if not ids or len(ids) < limit:
        return {}
    kept = [
        (key, value) for key, values in request.query.items() if key not in ("marker", "offset") for value in values
    ]
    path = request.path.rstrip("/").rpartition(f"/{noun}")[2]
    href = f"{request.base_url}/{noun}{path}?{urlencode([*kept, ('marker', ids[-1])])}"
    return {f"{noun}_links": [{"rel": "next", "href": href}]}
