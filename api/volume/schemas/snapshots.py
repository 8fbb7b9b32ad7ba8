"""Bodies of requests about snapshots."""

from __future__ import annotations

from api.schema import BOOLEAN, LONG_TEXT, TEXT, Schema, obj
from api.volume.schemas.volumes import METADATA, NAMES

_FORCE: Schema = {"anyOf": [BOOLEAN, {"type": "null"}]}
_CREATE: dict[str, Schema] = {
    "volume_id": {"type": ["string", "null"], "maxLength": 64},
    "name": TEXT,
    "description": LONG_TEXT,
    "display_name": TEXT,
    "display_description": LONG_TEXT,
    "force": _FORCE,
    "metadata": {"anyOf": [METADATA, {"type": "null"}]},
}
CREATE: Schema = obj({"snapshot": obj(_CREATE, ("volume_id",))}, ("snapshot",))
UPDATE: Schema = obj({"snapshot": obj(NAMES, minProperties=1)}, ("snapshot",))
RESET_STATUS: Schema = obj(
    {"os-reset_status": obj({"status": {"type": "string", "minLength": 1, "maxLength": 32}}, ("status",))},
    ("os-reset_status",),
)
UPDATE_STATUS: Schema = obj(
    {
        "os-update_snapshot_status": obj(
            {
                "status": {"type": "string", "minLength": 1, "maxLength": 32},
                "progress": {"type": "string", "maxLength": 5, "pattern": r"^[0-9]{1,3}%?\Z"},
            },
            ("status",),
        )
    },
    ("os-update_snapshot_status",),
)
