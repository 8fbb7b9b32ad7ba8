"""Bodies of requests about aggregates."""

from __future__ import annotations

from api.schema import HOST, NAME, UUID, Schema, obj

#: a colon would be read as ZONE:HOST when a server is created
ZONE: Schema = {
    "type": ["string", "null"], "minLength": 1, "maxLength": 255, "pattern": r"^(?! )[^\x00-\x1f\x7f:]*(?<! )\Z",
}  # fmt: skip
_METADATA: Schema = {
    "type": "object",
    "patternProperties": {r"^[a-zA-Z0-9_:. -]{1,255}\Z": {"type": ["string", "null"], "maxLength": 255}},
    "additionalProperties": False,
    "maxProperties": 1024,
}
CREATE = obj({"aggregate": obj({"name": NAME, "availability_zone": ZONE}, ("name",))}, ("aggregate",))
UPDATE = obj({"aggregate": obj({"name": NAME, "availability_zone": ZONE}, minProperties=1)}, ("aggregate",))
ADD_HOST = obj({"add_host": obj({"host": HOST}, ("host",))}, ("add_host",))
REMOVE_HOST = obj({"remove_host": obj({"host": HOST}, ("host",))}, ("remove_host",))
SET_METADATA = obj({"set_metadata": obj({"metadata": _METADATA}, ("metadata",))}, ("set_metadata",))
CACHE = obj(
    {"cache": {"type": "array", "items": obj({"id": UUID}, ("id",)), "minItems": 1, "maxItems": 64}}, ("cache",)
)
