"""What requests about network segment ranges may hold."""

from __future__ import annotations

from api.network.resource import BOOLEAN, INTEGER, NAME, PROJECT, TEXT, Resource
from api.schema import Schema, obj

#: "" and null: nobody's own, as for a shared range
_OWNER: Schema = {"anyOf": [PROJECT, {"enum": ["", None]}]}
_COMMON: dict[str, Schema] = {"name": NAME, "description": TEXT, "minimum": INTEGER, "maximum": INTEGER}

SEGMENT_RANGE = Resource(
    singular="network_segment_range",
    plural="network_segment_ranges",
    schema_create=obj(
        {
            **_COMMON,
            "shared": BOOLEAN,
            "project_id": _OWNER,
            "tenant_id": _OWNER,
            "network_type": {"enum": ["vxlan", "vlan"]},
            "physical_network": {"anyOf": [NAME, {"type": "null"}]},
        },
        ("network_type", "minimum", "maximum"),
    ),
    schema_update=obj(_COMMON),
    server_owned=frozenset(
        {"id", "default", "used", "available", "tags", "created_at", "updated_at", "revision_number"}
    ),
)
