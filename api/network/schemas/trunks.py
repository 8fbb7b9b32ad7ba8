"""What trunk requests may hold."""

from __future__ import annotations

from api.network.resource import BOOLEAN, NAME, PROJECT, TEXT, Resource
from api.schema import UUID, Schema, obj

_SUBPORT: Schema = obj(
    {
        "port_id": UUID,
        "segmentation_type": {"type": "string", "maxLength": 16, "pattern": r"^[a-z]*\Z"},
        "segmentation_id": {
            "anyOf": [
                {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1},
                {"type": "string", "maxLength": 8, "pattern": r"^-?[0-9]+\Z"},
            ]
        },
    },
    ("port_id",),
)
_SUBPORTS: Schema = {"type": "array", "maxItems": 512, "items": _SUBPORT}
_COMMON: dict[str, Schema] = {"name": NAME, "description": TEXT, "admin_state_up": BOOLEAN}

TRUNK = Resource(
    singular="trunk",
    plural="trunks",
    schema_create=obj(
        {
            **_COMMON,
            "project_id": PROJECT,
            "tenant_id": PROJECT,
            "port_id": UUID,
            "sub_ports": {"anyOf": [_SUBPORTS, {"type": "null"}]},
        },
        ("port_id",),
    ),
    schema_update=obj(_COMMON),
    server_owned=frozenset(
        {"id", "status", "tags", "tenant_id", "project_id", "created_at", "updated_at", "revision_number"}
    ),
)
SUBPORTS: Schema = obj({"sub_ports": _SUBPORTS}, ("sub_ports",))
