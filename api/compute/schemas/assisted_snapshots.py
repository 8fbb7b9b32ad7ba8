"""Bodies of POST /os-assisted-volume-snapshots. Source: Nova's API reference, "Assisted volume snapshots"."""

from __future__ import annotations

from api.schema import UUID, Schema, obj

_WORDS: Schema = {"type": "string", "minLength": 1, "maxLength": 255}
_FILE_NAME: Schema = {"type": "string", "minLength": 1, "maxLength": 1024}

CREATE = obj(
    {
        "snapshot": obj(
            {
                "volume_id": _WORDS,
                "create_info": obj(
                    {"snapshot_id": UUID, "type": {"enum": ["qcow2"]}, "new_file": _FILE_NAME, "id": _WORDS},
                    ("snapshot_id", "type", "new_file"),
                ),
            },
            ("volume_id", "create_info"),
        )
    },
    ("snapshot",),
)  # fmt: skip
