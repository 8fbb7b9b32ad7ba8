"""What requests about logs may hold."""

from __future__ import annotations

from api.network.resource import BOOLEAN, NAME, PROJECT, TEXT, Resource
from api.schema import UUID, Schema, obj
from common.db.port_logs import Event

#: what can be logged
LOGGABLE = ("security_group",)
_OR_NULL: Schema = {"anyOf": [UUID, {"type": "null"}]}
_WORDS: dict[str, Schema] = {"name": NAME, "description": TEXT, "enabled": BOOLEAN}
LOG = Resource(
    singular="log",
    plural="logs",
    schema_create=obj(
        {
            **_WORDS,
            "resource_type": {"enum": [*LOGGABLE]},
            "resource_id": _OR_NULL,
            "target_id": _OR_NULL,
            "event": {"enum": [each.value for each in Event]},
            "project_id": PROJECT,
            "tenant_id": PROJECT,
        },
        ("resource_type",),
    ),
    schema_update=obj(_WORDS),
    server_owned=frozenset({"id", "created_at", "updated_at", "revision_number"}),
)
