"""What network requests may hold."""

from __future__ import annotations

from api.network.resource import BOOLEAN, DNS_DOMAIN, INTEGER, NAME, PROJECT, TEXT, Resource
from api.schema import UUID, Schema, obj

_COMMON: dict[str, Schema] = {
    "name": NAME,
    "description": TEXT,
    "admin_state_up": BOOLEAN,
    "shared": BOOLEAN,
    "router:external": BOOLEAN,
    "is_default": BOOLEAN,
    "port_security_enabled": BOOLEAN,
    "mtu": INTEGER,
    "dns_domain": DNS_DOMAIN,
    "qos_policy_id": {"anyOf": [UUID, {"type": "null"}]},
    "cumulet:nat": BOOLEAN,
}

NETWORK = Resource(
    singular="network",
    plural="networks",
    schema_create=obj(
        {
            **_COMMON,
            "project_id": PROJECT,
            "tenant_id": PROJECT,
            "availability_zone_hints": {"type": "array", "maxItems": 10, "items": NAME},
            "provider:network_type": {"type": "string", "maxLength": 16, "enum": ["vxlan", "flat", "vlan"]},
            "provider:physical_network": {"anyOf": [NAME, {"type": "null"}]},
            "provider:segmentation_id": INTEGER,
            "vlan_transparent": BOOLEAN,
        }
    ),
    schema_update=obj(_COMMON),
    server_owned=frozenset(
        {
            "id",
            "status",
            "subnets",
            "created_at",
            "updated_at",
            "revision_number",
            "availability_zones",
            "tags",
            "tenant_id",
            "project_id",
        }
    ),
    admin=frozenset(
        {
            "shared",
            "router:external",
            "is_default",
            "cumulet:nat",
            "provider:network_type",
            "provider:physical_network",
            "provider:segmentation_id",
        }
    ),
)
AGENT_NETWORK: Schema = obj({"network_id": UUID}, ("network_id",))
