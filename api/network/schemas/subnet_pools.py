"""What subnet pool requests may hold."""

from __future__ import annotations

from api.network.resource import BOOLEAN, INTEGER, NAME, PROJECT, TEXT, Resource
from api.schema import UUID, Schema, obj

_PREFIXES: Schema = {
    "type": "array",
    "maxItems": 256,
    "items": {"type": "string", "maxLength": 64, "pattern": r"^.*\Z"},
}
_COMMON: dict[str, Schema] = {
    "name": NAME,
    "description": TEXT,
    "prefixes": _PREFIXES,
    "default_prefixlen": INTEGER,
    "min_prefixlen": INTEGER,
    "max_prefixlen": INTEGER,
    "default_quota": {"anyOf": [{"type": "integer", "minimum": 0, "maximum": 2**31 - 1}, {"type": "null"}]},
    "is_default": BOOLEAN,
    "address_scope_id": {"anyOf": [UUID, {"type": "null"}]},
}
SUBNET_POOL = Resource(
    singular="subnetpool",
    plural="subnetpools",
    schema_create=obj(
        {**_COMMON, "project_id": PROJECT, "tenant_id": PROJECT, "shared": BOOLEAN},
        ("name", "prefixes"),
    ),
    schema_update=obj(_COMMON),
    server_owned=frozenset(
        {"id", "ip_version", "tenant_id", "project_id", "created_at", "updated_at", "revision_number", "tags"}
    ),
    admin=frozenset({"shared", "is_default"}),
)
PREFIXES: Schema = obj({"prefixes": _PREFIXES}, ("prefixes",))
