"""What quota requests may hold."""

from __future__ import annotations

from api.network.resource import BOOLEAN
from api.schema import Schema, obj
from common.db.network_quota import RESOURCES

_LIMIT: Schema = {
    "anyOf": [
        {"type": "integer", "minimum": -1, "maximum": 2**31 - 1},
        {"type": "string", "maxLength": 10, "pattern": r"^(-1|[0-9]+)\Z"},
    ]
}
QUOTA: Schema = obj(
    {"quota": obj({**dict.fromkeys(RESOURCES, _LIMIT), "check_limit": BOOLEAN, "force": BOOLEAN})}, ("quota",)
)
