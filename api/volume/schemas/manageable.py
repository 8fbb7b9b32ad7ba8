"""Bodies that take existing files in as volumes and snapshots."""

from __future__ import annotations

from api.schema import BOOLEAN, LONG_TEXT, TEXT, Schema, obj
from api.volume.schemas.volumes import METADATA

_WORD: Schema = {"type": ["string", "null"], "maxLength": 255}
_REF: Schema = {
    "type": ["object", "string"],
    "maxProperties": 16,
    "maxLength": 255,
    "propertyNames": {"maxLength": 255},
    "additionalProperties": {"type": ["string", "null"], "maxLength": 255},
}
_METADATA: Schema = {"anyOf": [METADATA, {"type": "null"}]}
_VOLUME: dict[str, Schema] = {
    "host": _WORD,
    "ref": _REF,
    "name": TEXT,
    "description": LONG_TEXT,
    "volume_type": _WORD,
    "availability_zone": _WORD,
    "bootable": BOOLEAN,
    "metadata": _METADATA,
}
VOLUME: Schema = obj({"volume": obj(_VOLUME, ("ref",))}, ("volume",))
VOLUME_316: Schema = obj({"volume": obj({**_VOLUME, "cluster": _WORD}, ("ref",))}, ("volume",))
SNAPSHOT: Schema = obj(
    {
        "snapshot": obj(
            {
                "volume_id": {"type": "string", "minLength": 1, "maxLength": 64},
                "ref": _REF,
                "name": TEXT,
                "description": LONG_TEXT,
                "metadata": _METADATA,
            },
            ("ref", "volume_id"),
        )
    },
    ("snapshot",),
)
UNMANAGE: Schema = obj({"os-unmanage": {"type": ["object", "null"], "additionalProperties": False}}, ("os-unmanage",))
