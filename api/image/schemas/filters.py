"""The query of an image list: filters, sorting and paging, checked before they reach the database."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from common.db.image_members import MemberStatus
from common.db.images import COMPARISONS, SORT_COLUMNS, TIME_COLUMNS, ImageFilter, Visibility
from common.db.paging import Page
from common.errors import InvalidRequest
from common.ids import is_uuid

PAGING = ("limit", "marker", "sort", "sort_key", "sort_dir")
_LISTABLE = ("id", "name", "status", "container_format", "disk_format")
_KNOWN = (
    *PAGING,
    *_LISTABLE,
    *TIME_COLUMNS,
    "visibility",
    "member_status",
    "os_hidden",
    "protected",
    "owner",
    "size_min",
    "size_max",
    "tag",
)
_MAX_LISTED = 500
_MAX_BYTES = 2**63 - 1


def parse_filter(query: Mapping[str, list[str]]) -> ImageFilter:
    """Raises InvalidRequest naming the parameter."""
    _check_text(query)
    last = {name: values[-1] for name, values in query.items() if values}
    return ImageFilter(
        visibility=_one_of(last, "visibility", (*Visibility, "all")),
        member_status=_one_of(last, "member_status", (*MemberStatus, "all")) or MemberStatus.ACCEPTED,
        os_hidden=bool(_boolean(last, "os_hidden")),
        protected=_boolean(last, "protected"),
        owner=last.get("owner"),
        size_min=_bytes(last, "size_min"),
        size_max=_bytes(last, "size_max"),
        one_of={name: _listed(name, last[name]) for name in _LISTABLE if name in last},
        tags=query.get("tag", []),
        times=[_time(name, text) for name in TIME_COLUMNS for text in query.get(name, [])],
        properties={name: text for name, text in last.items() if name not in _KNOWN},
    )


def parse_page(query: Mapping[str, list[str]], max_limit: int) -> Page:
    """Raises InvalidRequest naming the parameter."""
    last = {name: values[-1] for name, values in query.items() if values}
    limit = _whole(last, "limit")
    marker = last.get("marker")
    if marker is not None and not is_uuid(marker):
        raise InvalidRequest("Invalid marker format: it must be the id of an image.")
    sort = parse_sort(query, tuple(SORT_COLUMNS))
    return Page(limit=max_limit if limit is None else min(limit, max_limit), marker=marker, sort=sort)


def parse_whole(query: Mapping[str, list[str]], name: str) -> int | None:
    """A number that is not negative, None when it isn't given. Raises InvalidRequest."""
    return _whole({key: values[-1] for key, values in query.items() if values}, name)


def parse_sort(query: Mapping[str, list[str]], allowed: Sequence[str]) -> tuple[tuple[str, bool], ...]:
    """Keys with True for descending. Raises InvalidRequest for a key that isn't allowed."""
    keys, directions = query.get("sort_key", []), query.get("sort_dir", [])
    together = [word for text in query.get("sort", []) for word in text.split(",")]
    if together and (keys or directions):
        raise InvalidRequest("Old and new sorting syntax cannot be combined.")
    if len(directions) > 1 and len(directions) != len(keys):
        raise InvalidRequest("Number of sort dirs does not match the number of sort keys.")
    if together:
        pairs = [(word.partition(":")[0].strip(), word.partition(":")[2].strip() or "desc") for word in together]
    else:
        keys = keys or (["created_at"] if directions else [])
        wanted: Sequence[str] = directions if len(directions) > 1 else (directions or ["desc"]) * len(keys)
        pairs = list(zip(keys, wanted, strict=True))
    for key, direction in pairs:
        if key not in allowed:
            raise InvalidRequest(f"Invalid sort key: {key[:64]}. It must be one of: {', '.join(sorted(allowed))}.")
        if direction not in ("asc", "desc"):
            raise InvalidRequest(f"Invalid sort direction: {direction[:64]}")
    return tuple((key, direction == "desc") for key, direction in pairs)


def _check_text(query: Mapping[str, list[str]]) -> None:
    for name, values in query.items():
        if "\x00" in name or any("\x00" in value for value in values):
            raise InvalidRequest("A query may not hold NUL.")
        if name not in _KNOWN and ('"' in name or "\\" in name or len(name) > 255):
            raise InvalidRequest(f"Images can't be filtered by a property named {name[:64]!r}.")


def _one_of(last: Mapping[str, str], name: str, allowed: Sequence[str]) -> str | None:
    value = last.get(name)
    if value is not None and value not in allowed:
        raise InvalidRequest(f"Invalid {name} value: {value[:64]!r}; use one of {', '.join(allowed)}.")
    return value


def _boolean(last: Mapping[str, str], name: str) -> bool | None:
    value = last.get(name)
    if value is None:
        return None
    if value.lower() not in ("true", "false"):
        raise InvalidRequest(f"Invalid value {value[:64]!r} for {name!r} filter. Valid values: true or false.")
    return value.lower() == "true"


def _whole(last: Mapping[str, str], name: str) -> int | None:
    value = last.get(name)
    if value is None:
        return None
    if not (value.isascii() and value.isdigit() and len(value) <= 19):
        raise InvalidRequest(f"{name} param must be a whole number that is not negative, not {value[:64]!r}.")
    return int(value)


def _bytes(last: Mapping[str, str], name: str) -> int | None:
    value = _whole(last, name)
    return None if value is None else min(value, _MAX_BYTES)


def _listed(name: str, text: str) -> list[str]:
    """`in:a,"b,c"` is a list, in CSV's quoting; `eq:a`, `neq` and any other word are taken literally as Glance does."""
    if not text.startswith("in:"):
        return [text]
    quoted = text[3:]
    if quoted.count('"') % 2:
        raise InvalidRequest(f"Invalid filter value {quoted[:64]!r}. The quote is not closed.")
    values = next(csv.reader([quoted], skipinitialspace=False), [])
    if len(values) > _MAX_LISTED:
        raise InvalidRequest(f"The filter {name} lists {len(values)} values; at most {_MAX_LISTED} are taken.")
    return values


def _time(name: str, text: str) -> tuple[str, str, datetime]:
    """`gt:2026-01-01T00:00:00Z`; without an operator the times must be equal."""
    operator, colon, rest = text.partition(":")
    if not (colon and operator.isalpha()):
        operator, rest = "eq", text
    if operator not in COMPARISONS:
        raise InvalidRequest(f"Unable to filter on a unknown operator {operator[:16]!r}; use {', '.join(COMPARISONS)}.")
    try:
        time = datetime.fromisoformat(rest)
    except ValueError as err:
        raise InvalidRequest(f'Bad "{name}" query filter format. Use ISO 8601 DateTime notation.') from err
    return name, operator, time.replace(tzinfo=UTC) if time.tzinfo is None else time
