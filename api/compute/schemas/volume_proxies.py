"""Bodies of requests about volumes and snapshots in compute's own API (until 2.35)."""

from __future__ import annotations

from api.schema import BOOLEAN, LONG_TEXT, TEXT, Schema, integer, obj

_NAMES: dict[str, Schema] = {"display_name": TEXT, "display_description": LONG_TEXT}
_ID: Schema = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[^\x00]*\Z"}
_METADATA: Schema = {
    "type": "object",
    "maxProperties": 1024,
    "patternProperties": {r"^[^\x00]{1,255}\Z": {"type": "string", "maxLength": 255}},
    "additionalProperties": False,
}
CREATE_VOLUME = obj(
    {
        "volume": obj(
            {
                **_NAMES, "size": integer(1), "volume_type": _ID, "snapshot_id": _ID, "availability_zone": _ID,
                "metadata": _METADATA,
            },
            ("size",),
        )
    },
    ("volume",),
)  # fmt: skip
CREATE_SNAPSHOT = obj({"snapshot": obj({**_NAMES, "volume_id": _ID, "force": BOOLEAN}, ("volume_id",))}, ("snapshot",))
