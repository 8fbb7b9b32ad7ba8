"""What subnet requests may hold."""

from __future__ import annotations

from api.network.resource import BOOLEAN, INTEGER, IP, NAME, PROJECT, TEXT, Resource
from api.schema import UUID, Schema, obj

_IP_OR_NULL: Schema = {"anyOf": [IP, {"type": "null"}]}
_MODE: Schema = {"enum": ["slaac", "dhcpv6-stateful", "dhcpv6-stateless", None]}
_COMMON: dict[str, Schema] = {
    "name": NAME,
    "description": TEXT,
    "gateway_ip": _IP_OR_NULL,
    "enable_dhcp": BOOLEAN,
    "allocation_pools": {
        "type": "array",
        "maxItems": 32,
        "items": obj({"start": IP, "end": IP}, ("start", "end")),
    },
    "dns_nameservers": {"type": "array", "maxItems": 64, "items": IP},
    "service_types": {
        "type": "array",
        "maxItems": 16,
        "uniqueItems": True,
        "items": {
            "type": "string",
            "maxLength": 255,
            "pattern": r"^(compute|network|baremetal|trunk|cumulet):[\x21-\x7e]+\Z",
        },
    },
    "host_routes": {
        "type": "array",
        "maxItems": 64,
        "items": obj({"destination": IP, "nexthop": IP}, ("destination", "nexthop")),
    },
}

SUBNET = Resource(
    singular="subnet",
    plural="subnets",
    schema_create=obj(
        {
            **_COMMON,
            "network_id": UUID,
            "project_id": PROJECT,
            "tenant_id": PROJECT,
            "ip_version": {"enum": [4, 6, "4", "6"]},
            "cidr": {"anyOf": [IP, {"type": "null"}]},
            "ipv6_ra_mode": _MODE,
            "ipv6_address_mode": _MODE,
            "subnetpool_id": {"anyOf": [UUID, {"type": "null"}]},
            "use_default_subnetpool": BOOLEAN,
            "prefixlen": INTEGER,
        },
        ("network_id", "ip_version"),
    ),
    schema_update=obj(_COMMON),
    server_owned=frozenset(
        {
            "id",
            "created_at",
            "updated_at",
            "revision_number",
            "tags",
            "tenant_id",
            "project_id",
            "shared",
        }
    ),
)
