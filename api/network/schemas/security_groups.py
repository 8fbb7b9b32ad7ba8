"""What requests for security groups and their rules may hold."""

from __future__ import annotations

from api.network.resource import BOOLEAN, IP, NAME, PROJECT, TEXT, Resource
from api.schema import UUID, Schema, obj

_PROTOCOL: Schema = {
    "anyOf": [
        {"type": "string", "maxLength": 16, "pattern": r"^[A-Za-z0-9-]*\Z"},
        {"type": "integer", "minimum": -1, "maximum": 255},
        {"type": "null"},
    ]
}
#: the range is checked with the protocol, where Neutron has a message for each case
_PORT: Schema = {
    "anyOf": [
        {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1},
        {"type": "string", "maxLength": 6, "pattern": r"^-?[0-9]+\Z"},
        {"type": "null"},
    ]
}
_OR_NULL: Schema = {"type": "null"}
_OWNED = frozenset({"id", "created_at", "updated_at", "revision_number", "tags"})

SECURITY_GROUP = Resource(
    singular="security_group",
    plural="security_groups",
    schema_create=obj(
        {"name": NAME, "description": TEXT, "stateful": BOOLEAN, "project_id": PROJECT, "tenant_id": PROJECT}
    ),
    schema_update=obj({"name": NAME, "description": TEXT, "stateful": BOOLEAN}),
    server_owned=_OWNED | {"security_group_rules", "shared", "tenant_id", "project_id"},
)

SECURITY_GROUP_RULE = Resource(
    singular="security_group_rule",
    plural="security_group_rules",
    schema_create=obj(
        {
            "security_group_id": UUID,
            "direction": {"enum": ["ingress", "egress"]},
            "ethertype": {"type": ["string", "null"], "maxLength": 8},
            "protocol": _PROTOCOL,
            "port_range_min": _PORT,
            "port_range_max": _PORT,
            "remote_ip_prefix": {"anyOf": [IP, _OR_NULL, {"const": ""}]},
            "remote_group_id": {"anyOf": [UUID, _OR_NULL, {"const": ""}]},
            "remote_address_group_id": {"anyOf": [UUID, _OR_NULL, {"const": ""}]},
            "description": {"anyOf": [TEXT, _OR_NULL]},
            "project_id": PROJECT,
            "tenant_id": PROJECT,
        },
        ("security_group_id", "direction"),
    ),
    schema_update=obj({}),
    server_owned=_OWNED | {"normalized_cidr", "belongs_to_default_sg", "tenant_id", "project_id"},
)

DEFAULT_RULE = Resource(
    singular="default_security_group_rule",
    plural="default_security_group_rules",
    schema_create=obj(
        {
            **{
                name: schema
                for name, schema in SECURITY_GROUP_RULE.schema_create["properties"].items()
                if name not in ("security_group_id", "remote_group_id")
            },
            "remote_group_id": {"enum": ["PARENT", "", None]},
            "used_in_default_sg": BOOLEAN,
            "used_in_non_default_sg": BOOLEAN,
        },
        ("direction",),
    ),
    schema_update=obj({}),
    server_owned=frozenset({"id"}),
)
