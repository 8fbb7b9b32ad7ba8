"""Request bodies against JSON Schema: anything that doesn't fit is a 400 that names the field.

Schemas are plain dictionaries in api/*/schemas/. Shared pieces are here, so that every string has a maxLength, every
array a maxItems and every object its properties named (security case DOS-01; a test walks all schemas for it).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, cast

import jsonschema
from jsonschema.exceptions import best_match

from common.errors import InvalidRequest

Schema = dict[str, Any]

#: printable text without control characters; OpenStack's names
NAME: Schema = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^(?! )[^\x00-\x1f\x7f]*(?<! )\Z"}
TEXT: Schema = {"type": ["string", "null"], "maxLength": 255}
LONG_TEXT: Schema = {"type": ["string", "null"], "maxLength": 65535}
UUID: Schema = {
    "type": "string",
    "maxLength": 36,
    "pattern": r"^[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}\Z",
}
ID: Schema = {"type": "string", "minLength": 1, "maxLength": 64, "pattern": r"^[a-zA-Z0-9_.:-]+\Z"}
#: compute takes these words for booleans (OSSA-2026-007: anything else is refused, never true)
BOOLEAN: Schema = {
    "enum": [
        True,
        "True",
        "TRUE",
        "true",
        "1",
        "ON",
        "On",
        "on",
        "YES",
        "Yes",
        "yes",
        "y",
        "t",
        False,
        "False",
        "FALSE",
        "false",
        "0",
        "OFF",
        "Off",
        "off",
        "NO",
        "No",
        "no",
        "n",
        "f",
    ]
}
#: a host's name: a name that could not be one is refused before anybody looks for it
HOST: Schema = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[a-zA-Z0-9._-]+\Z"}
STRICT_BOOLEAN: Schema = {"type": "boolean"}


def integer(lowest: int, highest: int = 2**31 - 1) -> Schema:
    """A number from -1, 0 or 1 on, or the text of one, as compute's clients send both."""
    return {
        "anyOf": [
            {"type": "integer", "minimum": lowest, "maximum": highest},
            {"type": "string", "pattern": _DIGITS[lowest], "maxLength": 12},
        ]
    }


def _digits_up_to(highest: str) -> str:
    """A pattern of the numbers with as many digits that are no more than this one, or with fewer."""
    same = [
        f"{highest[:at]}[0-{int(digit) - 1}][0-9]{{{len(highest) - at - 1}}}"
        for at, digit in enumerate(highest)
        if digit != "0"
    ]
    return f"(?:[0-9]{{1,{len(highest) - 1}}}|{'|'.join([*same, highest])})"


_TO_MAX = _digits_up_to(str(2**31 - 1))
#: the same bounds for the text of a number
_DIGITS = {-1: rf"^(-1|0*{_TO_MAX})\Z", 0: rf"^0*{_TO_MAX}\Z", 1: rf"^(?!0*\Z)0*{_TO_MAX}\Z"}


def as_boolean(value: Any) -> bool:
    """The meaning of a value that passed BOOLEAN."""
    return value is True or (isinstance(value, str) and value.lower() in ("true", "1", "on", "yes", "y", "t"))


def obj(properties: dict[str, Schema], required: tuple[str, ...] = (), **more: Any) -> Schema:
    """An object with exactly these properties."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
        **more,
    }


def validate(body: Any, schema: Schema) -> None:
    """Raises InvalidRequest naming the field, its value (cut) and what was expected."""
    error = best_match(_validator(_Key(schema)).iter_errors(body))
    if error is None:
        return
    where = ".".join(str(part) for part in error.absolute_path) or "body"
    raise InvalidRequest(
        f"Invalid input for field/attribute {where}. Value: {_shown(error.instance)}. {_reason(error)}"
    )


def _reason(error: jsonschema.ValidationError) -> str:
    if error.validator == "additionalProperties":
        known = set(cast("Schema", error.schema).get("properties", {}))
        extra = sorted(str(key) for key in cast("dict[str, Any]", error.instance) if key not in known)
        return f"Additional properties are not allowed ({', '.join(repr(key[:80]) for key in extra[:5])} unexpected)"
    return error.message if len(error.message) <= 300 else f"It does not match {error.validator}"


def _shown(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 120 else text[:120] + "…"


class _Key:
    """Schemas are module constants: cache their validators by identity."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema

    def __hash__(self) -> int:
        return id(self.schema)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and other.schema is self.schema


@lru_cache(maxsize=1024)
def _validator(key: _Key) -> Any:
    return jsonschema.Draft202012Validator(key.schema)
