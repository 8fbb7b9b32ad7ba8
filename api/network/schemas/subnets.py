"""What subnet requests may hold."""

from __future__ import annotations

from api.network.resource import BOOLEAN, IP, NAME, PROJECT, TEXT, Resource
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
            "cidr": IP,
            "ipv6_ra_mode": _MODE,
            "ipv6_address_mode": _MODE,
            "subnetpool_id": {"type": "null"},
            "use_default_subnetpool": {"enum": [False, None]},
        },
        ("network_id", "ip_version", "cidr"),
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
