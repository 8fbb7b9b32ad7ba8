"""Stored policies: create and update."""

from __future__ import annotations

from api.schema import ID, Schema, obj

_FIELDS: dict[str, Schema] = {
    "type": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[^\x00]*\Z"},
    "blob": {"type": "string", "maxLength": 65535, "pattern": r"^[^\x00]*\Z"},
}
CREATE = obj({"policy": obj(_FIELDS, ("type", "blob"))}, ("policy",))
UPDATE = obj({"policy": obj({**_FIELDS, "id": ID})}, ("policy",))
