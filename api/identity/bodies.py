"""What all bodies of the Identity API share: checks that never repeat a password, immutable fields, extras."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from api.schema import Schema, validate
from common.errors import InvalidRequest

MAX_EXTRAS = 64


def validate_secret(body: Any, schema: Schema) -> None:
    """Like `validate`, but the message names the field only: its value may be, or hold, a password."""
    try:
        validate(body, schema)
    except InvalidRequest as err:
        field = err.message.split(". Value: ", 1)[0]
        raise InvalidRequest(f"{field}. Its value is missing, or has a wrong type, length or form.") from None


def check_immutable(given: dict[str, Any], present: Mapping[str, Any]) -> dict[str, Any]:
    """The changes without the fields in `present`, which may be repeated but not changed. Raises InvalidRequest."""
    for name, value in present.items():
        if name in given and given[name] != value:
            raise InvalidRequest(f"Cannot change {name}: it is immutable.", field=name)
    return {name: value for name, value in given.items() if name not in present}


def split_extras(given: Mapping[str, Any], columns: Iterable[str], extras: Mapping[str, Any]) -> dict[str, Any]:
    """`given` as column values, with what has no column merged into `extra`; null takes an extra property away.

    Raises InvalidRequest when there would be too many.
    """
    known = set(columns)
    values = {name: value for name, value in given.items() if name in known}
    others = {name: value for name, value in given.items() if name not in known}
    if others:
        merged = {**extras, **others}
        values["extra"] = {name: value for name, value in merged.items() if value is not None}
        if len(values["extra"]) > MAX_EXTRAS:
            raise InvalidRequest(f"There may be at most {MAX_EXTRAS} properties beside the known ones.")
    return values
