"""Bodies of requests about backups."""

from __future__ import annotations

from api.schema import BOOLEAN, LONG_TEXT, TEXT, Schema, obj
from api.volume.schemas.volumes import METADATA

_ID: Schema = {"type": "string", "minLength": 1, "maxLength": 64}
_ID_OR_NULL: Schema = {"type": ["string", "null"], "maxLength": 64}
_STATUS: Schema = {"type": "string", "minLength": 1, "maxLength": 32}
_METADATA: Schema = {"anyOf": [METADATA, {"type": "null"}]}
_CREATE: dict[str, Schema] = {
    "volume_id": _ID,
    "name": TEXT,
    "description": LONG_TEXT,
    "container": {"type": ["string", "null"], "maxLength": 255, "pattern": r"^[^\x00/]*\Z"},
    "incremental": BOOLEAN,
    "force": BOOLEAN,
    "snapshot_id": _ID_OR_NULL,
}
CREATE: Schema = obj({"backup": obj(_CREATE, ("volume_id",))}, ("backup",))
CREATE_343: Schema = obj({"backup": obj({**_CREATE, "metadata": _METADATA}, ("volume_id",))}, ("backup",))
CREATE_351: Schema = obj(
    {
        "backup": obj(
            {**_CREATE, "metadata": _METADATA, "availability_zone": {"type": ["string", "null"], "maxLength": 255}},
            ("volume_id",),
        )
    },
    ("backup",),
)
_UPDATE: dict[str, Schema] = {"name": TEXT, "description": LONG_TEXT}
UPDATE: Schema = obj({"backup": obj(_UPDATE, minProperties=1)}, ("backup",))
UPDATE_343: Schema = obj({"backup": obj({**_UPDATE, "metadata": METADATA}, minProperties=1)}, ("backup",))
RESTORE: Schema = obj(
    {"restore": {"anyOf": [obj({"name": TEXT, "volume_id": _ID_OR_NULL}), {"type": "null"}]}}, ("restore",)
)
IMPORT: Schema = obj(
    {
        "backup-record": obj(
            {
                "backup_service": {"type": "string", "minLength": 1, "maxLength": 255},
                "backup_url": {"type": "string", "minLength": 1, "maxLength": 65535},
            },
            ("backup_service", "backup_url"),
        )
    },
    ("backup-record",),
)
RESET_STATUS: Schema = obj({"os-reset_status": obj({"status": _STATUS}, ("status",))}, ("os-reset_status",))
