"""Bodies of requests about volumes."""

from __future__ import annotations

from api.schema import BOOLEAN, LONG_TEXT, TEXT, Schema, integer, obj

KEY_PATTERN = r"^[^\x00]{1,255}\Z"
METADATA: Schema = {
    "type": "object",
    "maxProperties": 1024,
    "patternProperties": {KEY_PATTERN: {"type": "string", "maxLength": 255}},
    "additionalProperties": False,
}
_REFERENCE: Schema = {"type": ["string", "null"], "maxLength": 255}
SIZE: Schema = {"anyOf": [integer(1), {"type": "null"}]}
NAMES: dict[str, Schema] = {
    "name": TEXT, "description": LONG_TEXT, "display_name": TEXT, "display_description": LONG_TEXT,
}  # fmt: skip
HINTS: Schema = {
    "type": ["object", "null"],
    "maxProperties": 16,
    "properties": {
        name: {
            "anyOf": [
                {"type": "string", "maxLength": 255},
                {"type": "array", "maxItems": 64, "items": {"type": "string", "maxLength": 255}},
            ]
        }
        for name in ("same_host", "different_host", "local_to_instance", "query")
    },
    "additionalProperties": False,
}
_CREATE = {
    **NAMES,
    "size": SIZE,
    "availability_zone": _REFERENCE,
    "source_volid": _REFERENCE,
    "snapshot_id": _REFERENCE,
    "imageRef": _REFERENCE,
    "image_id": _REFERENCE,
    "volume_type": _REFERENCE,
    "consistencygroup_id": _REFERENCE,
    "metadata": {"anyOf": [METADATA, {"type": "null"}]},
    "multiattach": BOOLEAN,
    # what older clients send of a volume that is yet to be
    "project_id": _REFERENCE,
    "user_id": _REFERENCE,
    "status": _REFERENCE,
    "attach_status": _REFERENCE,
    "source_replica": _REFERENCE,
}


def _created(properties: dict[str, Schema]) -> Schema:
    """Cinder takes, and ignores, what it doesn't know of a new volume; some clients send such."""
    unknown = {"type": ["string", "number", "boolean", "null"], "maxLength": 255}
    return obj(properties, additionalProperties=unknown, propertyNames={"maxLength": 255}, maxProperties=64)


CREATE: Schema = obj(
    {"volume": _created(_CREATE), "OS-SCH-HNT:scheduler_hints": HINTS, "os:scheduler_hints": HINTS}, ("volume",)
)
CREATE_313: Schema = obj(
    {
        "volume": _created({**_CREATE, "group_id": _REFERENCE}),
        "OS-SCH-HNT:scheduler_hints": HINTS,
        "os:scheduler_hints": HINTS,
    },
    ("volume",),
)
CREATE_347: Schema = obj(
    {
        "volume": _created({**_CREATE, "group_id": _REFERENCE, "backup_id": _REFERENCE}),
        "OS-SCH-HNT:scheduler_hints": HINTS,
        "os:scheduler_hints": HINTS,
    },
    ("volume",),
)
UPDATE: Schema = obj(
    {"volume": obj({**NAMES, "metadata": {"anyOf": [METADATA, {"type": "null"}]}}, minProperties=1)}, ("volume",)
)
METADATA_BODY: Schema = obj({"metadata": METADATA}, ("metadata",))
META_BODY: Schema = obj({"meta": {**METADATA, "minProperties": 1, "maxProperties": 1}}, ("meta",))
SUMMARY_METADATA_SINCE = "3.36"
