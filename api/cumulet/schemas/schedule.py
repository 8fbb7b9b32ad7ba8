"""What a dry run of placement may be asked."""

from __future__ import annotations

from api.schema import ID, NAME, UUID, Schema, integer, obj

MAX_COUNT = 50
_FLAVOR: Schema = {**ID, "maxLength": 255}
DRY_RUN = obj(
    {
        "schedule": obj(
            {"flavor": _FLAVOR, "image": UUID, "count": integer(1, MAX_COUNT), "availability_zone": NAME, "node": NAME},
            ("flavor",),
        )
    },
    ("schedule",),
)
