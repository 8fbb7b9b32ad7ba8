"""Bodies of requests about groups of volumes, their types and their snapshots."""

from __future__ import annotations

from api.schema import BOOLEAN, LONG_TEXT, NAME, TEXT, UUID, Schema, obj
from api.volume.schemas.volume_types import SPECS

_MAY_BE_NULL = {"anyOf": [SPECS, {"type": "null"}]}
TYPE_CREATE: Schema = obj(
    {
        "group_type": obj(
            {"name": NAME, "description": LONG_TEXT, "is_public": BOOLEAN, "group_specs": _MAY_BE_NULL}, ("name",)
        )
    },
    ("group_type",),
)
TYPE_UPDATE: Schema = obj(
    {"group_type": obj({"name": {"anyOf": [NAME, {"type": "null"}]}, "description": LONG_TEXT, "is_public": BOOLEAN})},
    ("group_type",),
)
GROUP_SPECS: Schema = obj({"group_specs": {**SPECS, "minProperties": 1}}, ("group_specs",))

_NAMED: Schema = {"type": "string", "minLength": 1, "maxLength": 255}
_IDS: Schema = {"type": ["string", "null"], "maxLength": 65535}  # separated by commas
CREATE: Schema = obj(
    {
        "group": obj(
            {
                "name": TEXT,
                "description": LONG_TEXT,
                "group_type": _NAMED,
                "volume_types": {"type": "array", "minItems": 1, "maxItems": 64, "uniqueItems": True, "items": _NAMED},
                "availability_zone": TEXT,
            },
            ("group_type", "volume_types"),
        )
    },
    ("group",),
)
UPDATE: Schema = obj(
    {"group": obj({"name": TEXT, "description": LONG_TEXT, "add_volumes": _IDS, "remove_volumes": _IDS})}, ("group",)
)
DELETE: Schema = obj({"delete": obj({"delete-volumes": BOOLEAN})}, ("delete",))
RESET: Schema = obj({"reset_status": obj({"status": _NAMED}, ("status",))}, ("reset_status",))
FROM_SOURCE: Schema = obj(
    {
        "create-from-src": obj(
            {"name": TEXT, "description": LONG_TEXT, "group_snapshot_id": UUID, "source_group_id": UUID}
        )
    },
    ("create-from-src",),
)
SNAPSHOT_CREATE: Schema = obj(
    {"group_snapshot": obj({"group_id": UUID, "name": TEXT, "description": LONG_TEXT}, ("group_id",))},
    ("group_snapshot",),
)
