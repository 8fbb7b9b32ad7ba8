"""What requests for RBAC policies, address groups and address scopes may hold."""

from __future__ import annotations

from api.network.resource import BOOLEAN, NAME, PROJECT, TEXT, Resource
from api.schema import UUID, Schema, obj

_TARGET: Schema = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^(\*|[A-Za-z0-9_-]+)\Z"}
_OWNER: dict[str, Schema] = {"project_id": PROJECT, "tenant_id": PROJECT}
_OWNED = frozenset({"id", "project_id", "tenant_id"})
_STANDARD = _OWNED | {"created_at", "updated_at", "revision_number", "tags"}

RBAC_POLICY = Resource(
    singular="rbac_policy",
    plural="rbac_policies",
    schema_create=obj(
        {
            **_OWNER,
            "object_type": {"type": "string", "maxLength": 64, "pattern": r"^[a-z_]*\Z"},
            "object_id": UUID,
            "action": {"type": "string", "maxLength": 64, "pattern": r"^[a-z_]*\Z"},
            "target_tenant": _TARGET,
            "target_project": _TARGET,
        },
        ("object_type", "object_id", "action"),
    ),
    schema_update=obj({"target_tenant": _TARGET, "target_project": _TARGET}),
    server_owned=_OWNED,
)

#: text, so that what is no address is refused in Neutron's words
_ADDRESSES: Schema = {
    "type": "array",
    "maxItems": 1000,
    "items": {"type": "string", "maxLength": 64, "pattern": r"^.*\Z"},
}
ADDRESSES: Schema = obj({"addresses": _ADDRESSES}, ("addresses",))

ADDRESS_GROUP = Resource(
    singular="address_group",
    plural="address_groups",
    schema_create=obj({**_OWNER, "name": NAME, "description": TEXT, "addresses": _ADDRESSES}),
    schema_update=obj({"name": NAME, "description": TEXT}),
    server_owned=_STANDARD | {"shared"},
)

ADDRESS_SCOPE = Resource(
    singular="address_scope",
    plural="address_scopes",
    schema_create=obj({**_OWNER, "name": NAME, "ip_version": {"enum": [4, 6, "4", "6"]}, "shared": BOOLEAN}, ("name",)),
    schema_update=obj({"name": NAME, "shared": BOOLEAN}),
    server_owned=_OWNED,
    admin=frozenset({"shared"}),
)
