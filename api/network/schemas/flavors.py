"""What requests about router flavors and service profiles may hold."""

from __future__ import annotations

from api.network.resource import BOOLEAN, NAME, PROJECT, Resource
from api.schema import UUID, Schema, obj

_LONG_TEXT: Schema = {"type": "string", "maxLength": 1024, "pattern": r"^[^\x00]*\Z"}
_OWNER: dict[str, Schema] = {"project_id": PROJECT, "tenant_id": PROJECT}
_FLAVOR: dict[str, Schema] = {"name": NAME, "description": _LONG_TEXT, "enabled": BOOLEAN}
FLAVOR = Resource(
    singular="flavor",
    plural="flavors",
    schema_create=obj({**_FLAVOR, **_OWNER, "service_type": {"enum": ["L3_ROUTER_NAT", "FLAVORS"]}}, ("service_type",)),
    schema_update=obj(_FLAVOR),
    server_owned=frozenset({"id", "service_profiles"}),
)
_PROFILE: dict[str, Schema] = {
    "description": _LONG_TEXT,
    "enabled": BOOLEAN,
    "driver": _LONG_TEXT,
    "metainfo": {"type": "string", "maxLength": 4096, "pattern": r"^[^\x00]*\Z"},
}
SERVICE_PROFILE = Resource(
    singular="service_profile",
    plural="service_profiles",
    schema_create=obj({**_PROFILE, **_OWNER}),
    schema_update=obj(_PROFILE),
    server_owned=frozenset({"id"}),
)
BINDING: Schema = obj({"service_profile": obj({"id": UUID, **_OWNER}, ("id",))}, ("service_profile",))
