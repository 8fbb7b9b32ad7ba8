"""Pieces that several nouns share."""

from __future__ import annotations

from typing import Any

from api.schema import ID, NAME, STRICT_BOOLEAN, Schema, obj

SHORT_NAME: Schema = {**NAME, "maxLength": 64}
DESCRIPTION: Schema = {"type": ["string", "null"], "maxLength": 4096}
NULLABLE_ID: Schema = {**ID, "type": ["string", "null"]}
ENABLED = STRICT_BOOLEAN
TAGS: Schema = {
    "type": "array",
    "maxItems": 80,
    "uniqueItems": True,
    "items": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[^,/]*\Z"},
}
OPTIONS = obj({"immutable": {"type": ["boolean", "null"]}})
USER_OPTIONS = obj(
    {
        name: {"type": ["boolean", "null"]}
        for name in (
            "ignore_change_password_upon_first_use",
            "ignore_password_expiry",
            "ignore_lockout_failure_attempts",
            "lock_password",
            "ignore_user_inactivity",
            "multi_factor_auth_enabled",
        )
    }
)
#: properties that clients add of their own, as Keystone keeps them: plain values, bounded
_EXTRA: Schema = {"type": ["string", "boolean", "number", "null"], "maxLength": 1024}
#: no value fits: the property must be absent
REFUSED: Schema = {"not": {}}
#: what only this service writes: never taken as an extra property
_OWNED = (
    "links",
    "extra",
    "created_at",
    "tokens_valid_after",
    "password_hash",
    "password_changed_at",
    "password_expires_at",
)


def with_extras(properties: dict[str, Schema], required: tuple[str, ...] = ()) -> Schema:
    """An object with these properties and a bounded number of plain ones of the client's own."""
    refused: dict[str, Any] = dict.fromkeys(_OWNED, REFUSED)
    return {
        "type": "object",
        "properties": {**refused, **properties},
        "required": list(required),
        "maxProperties": 64,
        "propertyNames": {"maxLength": 64},
        "additionalProperties": _EXTRA,
    }
