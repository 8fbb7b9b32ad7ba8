"""Bodies about nodes: making a join token, using it, and giving a node up."""

from __future__ import annotations

from api.schema import STRICT_BOOLEAN, Schema, obj
from common.rpc.topology import NODE_NAME

MOST_LIFETIME_S = 24 * 3600
NODE: Schema = {"type": "string", "minLength": 1, "maxLength": 63, "pattern": rf"^{NODE_NAME}\Z"}

CREATE_TOKEN = obj(
    {
        "token": obj(
            {
                "node": NODE,
                "lifetime_s": {"type": "integer", "minimum": 10, "maximum": MOST_LIFETIME_S},
                "is_compute": STRICT_BOOLEAN,
                "is_gateway": STRICT_BOOLEAN,
            },
            required=("node",),
        )
    },
    required=("token",),
)

JOIN = obj(
    {
        "join": obj(
            {
                "token": {"type": "string", "minLength": 1, "maxLength": 255},
                "address": {"type": "string", "maxLength": 45, "pattern": r"^[0-9A-Fa-f:.]*\Z"},
            },
            required=("token",),
        )
    },
    required=("join",),
)

#: the statement is the point: nobody gives a node up by accident
FORGET = obj({"forget": obj({"powered_off": {"enum": [True]}}, required=("powered_off",))}, required=("forget",))
