"""What a request about metadata definitions may hold. A property is described by a small part of JSON Schema."""

from __future__ import annotations

from api.schema import STRICT_BOOLEAN, Schema, obj

_NO_NUL = r"^[^\x00]*\Z"
NAME: Schema = {"type": "string", "minLength": 1, "maxLength": 80, "pattern": _NO_NUL}
_TEXT: Schema = {"type": ["string", "null"], "maxLength": 500, "pattern": _NO_NUL}
_SERVICE_OWNED: Schema = {"type": ["string", "null"], "maxLength": 512}
#: what clients send back with what they read; only the service writes it
_OWNED = dict.fromkeys(("self", "schema", "created_at", "updated_at"), _SERVICE_OWNED)
_NUMBER: Schema = {"type": ["number", "null"], "minimum": -(2**53), "maximum": 2**53}
_COUNT: Schema = {"type": ["integer", "null"], "minimum": 0, "maximum": 2**31 - 1}
_TYPE: Schema = {"enum": ["array", "boolean", "integer", "number", "object", "string", None]}
_SHORT: Schema = {"type": "string", "maxLength": 255, "pattern": _NO_NUL}
_WORDS: Schema = {"type": "array", "maxItems": 512, "items": _SHORT}
_VALUE: Schema = {"type": ["string", "number", "boolean", "null"], "maxLength": 255}
_PROPERTY: dict[str, Schema] = {
    "name": NAME,
    "title": _TEXT,
    "description": _TEXT,
    "type": _TYPE,
    "operators": _WORDS,
    "readonly": {"type": ["boolean", "null"]},
    "minimum": _NUMBER,
    "maximum": _NUMBER,
    "minLength": _COUNT,
    "maxLength": _COUNT,
    "minItems": _COUNT,
    "maxItems": _COUNT,
    "uniqueItems": STRICT_BOOLEAN,
    "additionalItems": STRICT_BOOLEAN,
    "pattern": _SHORT,
    "enum": _WORDS,
    "default": _VALUE,
    "items": obj({"type": _TYPE, "enum": _WORDS}),
}
PROPERTY = obj({**_PROPERTY, **_OWNED}, ("name", "title", "type"))
OBJECT = obj(
    {
        "name": NAME,
        "description": _TEXT,
        "required": _WORDS,
        "properties": {
            "type": "object",
            "maxProperties": 128,
            "propertyNames": NAME,
            "additionalProperties": obj(_PROPERTY),
        },
        **_OWNED,
    },
    ("name",),
)
TAG = obj({"name": NAME, **_OWNED}, ("name",))
TAGS = obj({"tags": {"type": "array", "maxItems": 512, "items": obj({"name": NAME}, ("name",))}}, ("tags",))
RESOURCE_TYPE = obj({"name": NAME, "prefix": _TEXT, "properties_target": _TEXT, **_OWNED}, ("name",))
NAMESPACE = obj(
    {
        "namespace": NAME,
        "display_name": {**_TEXT, "maxLength": 80},
        "description": _TEXT,
        "visibility": {"enum": ["public", "private"]},
        "protected": STRICT_BOOLEAN,
        "owner": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": _NO_NUL},
        **_OWNED,
    },
    ("namespace",),
)
OWNED = tuple(_OWNED)
