"""Bodies of requests about volume types, their encryption, QoS specs and default types."""

from __future__ import annotations

from api.schema import BOOLEAN, LONG_TEXT, NAME, Schema, integer, obj

_SPEC_KEY = r"^[a-zA-Z0-9_:. /-]{1,255}\Z"
SPECS: Schema = {
    "type": "object",
    "maxProperties": 256,
    "patternProperties": {_SPEC_KEY: {"type": "string", "maxLength": 255}},
    "additionalProperties": False,
}
_PROJECT: Schema = {"type": "string", "minLength": 1, "maxLength": 64}

_CREATE = {
    "name": NAME,
    "description": LONG_TEXT,
    "extra_specs": {"anyOf": [SPECS, {"type": "null"}]},
    "os-volume-type-access:is_public": BOOLEAN,
}
CREATE: Schema = obj({"volume_type": obj(_CREATE, ("name",))}, ("volume_type",))
UPDATE: Schema = obj(
    {"volume_type": obj({"name": {"anyOf": [NAME, {"type": "null"}]}, "description": LONG_TEXT, "is_public": BOOLEAN})},
    ("volume_type",),
)
EXTRA_SPECS: Schema = obj({"extra_specs": {**SPECS, "minProperties": 1}}, ("extra_specs",))
ONE_SPEC: Schema = {**SPECS, "minProperties": 1, "maxProperties": 1}
ADD_ACCESS: Schema = obj({"addProjectAccess": obj({"project": _PROJECT}, ("project",))})
REMOVE_ACCESS: Schema = obj({"removeProjectAccess": obj({"project": _PROJECT}, ("project",))})

_ENCRYPTION: dict[str, Schema] = {
    "provider": {"type": "string", "minLength": 1, "maxLength": 255},
    "control_location": {"enum": ["front-end", "back-end"]},
    "cipher": {"type": ["string", "null"], "maxLength": 255},
    "key_size": {"anyOf": [integer(0), {"type": "null"}]},
}
ENCRYPTION_CREATE: Schema = obj({"encryption": obj(_ENCRYPTION, ("provider", "control_location"))}, ("encryption",))
ENCRYPTION_UPDATE: Schema = obj({"encryption": obj(_ENCRYPTION, minProperties=1)}, ("encryption",))

#: values are texts or numbers; the name and the consumer stand beside the specs themselves
_QOS: Schema = {
    "type": "object",
    "maxProperties": 256,
    "patternProperties": {
        _SPEC_KEY: {"anyOf": [{"type": "string", "maxLength": 255}, {"type": "integer"}, {"type": "number"}]}
    },
    "additionalProperties": False,
}
QOS_CREATE: Schema = obj({"qos_specs": {**_QOS, "required": ["name"]}}, ("qos_specs",))
QOS_SET: Schema = obj({"qos_specs": {**_QOS, "minProperties": 1}}, ("qos_specs",))
QOS_UNSET: Schema = obj(
    {"keys": {"type": "array", "maxItems": 256, "items": {"type": "string", "minLength": 1, "maxLength": 255}}},
    ("keys",),
)
DEFAULT_TYPE: Schema = obj(
    {"default_type": obj({"volume_type": {"type": "string", "minLength": 1, "maxLength": 255}}, ("volume_type",))},
    ("default_type",),
)
