"""What port requests may hold."""

from __future__ import annotations

from api.network.resource import BOOLEAN, DNS_DOMAIN, IP, NAME, PROJECT, TEXT, Resource
from api.network.schemas.tags import TAGS
from api.schema import UUID, Schema, obj

MAX_ADDRESSES = 5
MAX_PAIRS = 10
MAC: Schema = {"type": "string", "maxLength": 17, "pattern": r"^([0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}\Z"}
_COMMON: dict[str, Schema] = {
    "name": NAME,
    "description": TEXT,
    "admin_state_up": BOOLEAN,
    "mac_address": MAC,
    "qos_policy_id": {"anyOf": [UUID, {"type": "null"}]},
    "dns_domain": DNS_DOMAIN,
    "extra_dhcp_opts": {
        "anyOf": [
            {
                "type": "array",
                "maxItems": 64,
                "items": obj(
                    {
                        "opt_name": {"type": "string", "minLength": 1, "maxLength": 64, "pattern": r"^[a-z0-9-]+\Z"},
                        "opt_value": {
                            "anyOf": [
                                {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[!-~]+( [!-~]+)*\Z"},
                                {"type": "null"},
                            ]
                        },
                        "ip_version": {"enum": [4, 6, "4", "6"]},
                    },
                    ("opt_name",),
                ),
            },
            {"type": "null"},
        ]
    },
    "fixed_ips": {
        "type": "array",
        "maxItems": 64,
        "items": obj({"subnet_id": UUID, "ip_address": IP}, minProperties=1),
    },
    "device_id": {"type": "string", "maxLength": 255, "pattern": r"^[^\x00-\x1f\x7f]*\Z"},
    "device_owner": {"type": "string", "maxLength": 255, "pattern": r"^[^\x00-\x1f\x7f]*\Z"},
    "security_groups": {
        "anyOf": [{"type": "array", "maxItems": 64, "uniqueItems": True, "items": UUID}, {"type": "null"}]
    },
    "port_security_enabled": BOOLEAN,
    "allowed_address_pairs": {
        "anyOf": [
            {"type": "array", "maxItems": 1000, "items": obj({"ip_address": IP, "mac_address": MAC}, ("ip_address",))},
            {"type": "null"},
        ]
    },
    "binding:host_id": {"anyOf": [TEXT, {"type": "null"}]},
    "binding:vnic_type": {"enum": ["normal"]},
    "binding:profile": {"anyOf": [{"type": "object", "maxProperties": 0, "properties": {}}, {"type": "null"}]},
    "dns_name": {"type": "string", "maxLength": 63, "pattern": r"^([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)?\Z"},
}

PORT = Resource(
    singular="port",
    plural="ports",
    schema_create=obj(
        {**_COMMON, "network_id": UUID, "project_id": PROJECT, "tenant_id": PROJECT, "tags": TAGS}, ("network_id",)
    ),
    schema_update=obj({**_COMMON, "mac_address": {"anyOf": [MAC, {"type": "null"}]}}),
    server_owned=frozenset(
        {
            "id",
            "status",
            "created_at",
            "updated_at",
            "revision_number",
            "tags",
            "tenant_id",
            "project_id",
            "binding:vif_type",
            "binding:vif_details",
            "dns_assignment",
            "qos_network_policy_id",
            "trunk_details",
            "network_id",
        }
    ),
    admin=frozenset({"binding:profile", "binding:host_id"}),
)
