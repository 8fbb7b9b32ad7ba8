"""JSON patches as Glance takes them: one level deep, in the form of version 2.1 or the older 2.0."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from api.image.schemas.images import JSON_PATCH_TYPES, PATCH_V20, PATCH_V21
from api.schema import validate
from common.errors import InvalidRequest, UnsupportedMediaType


@dataclass(frozen=True)
class Change:
    """One entry of a patch. op: add, replace or remove. value is None for remove."""

    op: str
    name: str
    value: Any = None


def parse_patch(content_type: str, body: Any) -> list[Change]:
    """The changes in order. Raises UnsupportedMediaType, or InvalidRequest for what is no such patch."""
    if content_type not in JSON_PATCH_TYPES:
        raise UnsupportedMediaType(f"Send the patch as {' or '.join(JSON_PATCH_TYPES)}.")
    if not isinstance(body, list):
        raise InvalidRequest("Request body must be a JSON array of operation objects.")
    if content_type == JSON_PATCH_TYPES[0]:
        validate(body, PATCH_V21)
        return [_change(entry["op"], entry["path"], entry) for entry in body]
    validate(body, PATCH_V20)
    return [_change(*_operation_v20(entry), entry) for entry in body]


def _operation_v20(entry: dict[str, Any]) -> tuple[str, str]:
    operations = [name for name in ("add", "replace", "remove") if name in entry]
    if len(operations) != 1:
        raise InvalidRequest("Operation objects must contain exactly one member named 'add', 'remove' or 'replace'.")
    return operations[0], entry[operations[0]]


def _change(op: str, path: str, entry: dict[str, Any]) -> Change:
    if op != "remove" and "value" not in entry:
        raise InvalidRequest(f"Operation {op!r} requires a member named 'value'.")
    return Change(op, _name(path), entry.get("value"))


def _name(path: str) -> str:
    """The attribute that a JSON pointer (RFC 6901) of one level names."""
    if not path.startswith("/"):
        raise InvalidRequest(f'Pointer `{path[:80]}` does not start with "/".')
    inner = path[1:]
    unescaped = inner.replace("~1", "").replace("~0", "")
    if not inner or "/" in inner or "~" in unescaped:
        raise InvalidRequest(f"Invalid JSON pointer for this resource: {path[:80]!r}")
    return inner.replace("~1", "/").replace("~0", "~")
