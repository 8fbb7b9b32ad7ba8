"""What requests about segments may hold."""

from __future__ import annotations

from api.network.resource import NAME, TEXT, Resource
from api.schema import obj

_WORDS = {"name": NAME, "description": TEXT}

SEGMENT = Resource(
    singular="segment",
    plural="segments",
    schema_create=obj(_WORDS),
    schema_update=obj(_WORDS),
    server_owned=frozenset(
        {
            "id", "network_id", "network_type", "physical_network", "segmentation_id", "created_at", "updated_at",
            "revision_number",
        }
    ),
)  # fmt: skip
