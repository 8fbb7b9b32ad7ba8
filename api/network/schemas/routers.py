"""What requests about routers and floating IPs may hold."""

from __future__ import annotations

from api.network.resource import BOOLEAN, IP, NAME, PROJECT, TEXT, Resource
from api.schema import UUID, Schema, obj

_OR_NULL: Schema = {"type": "null"}
_OWNED = frozenset({"id", "status", "created_at", "updated_at", "revision_number", "tags", "tenant_id", "project_id"})
ROUTES: Schema = {
    "anyOf": [
        {
            "type": "array",
            "maxItems": 256,
            "items": obj({"destination": IP, "nexthop": IP}, ("destination", "nexthop")),
        },
        _OR_NULL,
    ]
}
GATEWAY: Schema = {
    "anyOf": [
        obj(
            {
                "network_id": UUID,
                "enable_snat": BOOLEAN,
                "external_fixed_ips": {
                    "type": "array",
                    "maxItems": 16,
                    "items": obj({"subnet_id": UUID, "ip_address": IP}, minProperties=1),
                },
            }
        ),
        _OR_NULL,
    ]
}
_COMMON: dict[str, Schema] = {
    "name": NAME,
    "description": TEXT,
    "admin_state_up": BOOLEAN,
    "external_gateway_info": GATEWAY,
    "ha": BOOLEAN,
    "distributed": BOOLEAN,
}
ROUTER = Resource(
    singular="router",
    plural="routers",
    schema_create=obj(
        {
            **_COMMON,
            "project_id": PROJECT,
            "tenant_id": PROJECT,
            "flavor_id": {"anyOf": [UUID, _OR_NULL]},
            "availability_zone_hints": {"type": "array", "maxItems": 10, "items": NAME},
        }
    ),
    schema_update=obj({**_COMMON, "routes": ROUTES}),
    server_owned=_OWNED | {"routes", "availability_zones"},
    admin=frozenset({"ha", "distributed"}),
)

INTERFACE: Schema = obj({"subnet_id": UUID, "port_id": UUID})
EXTRA_ROUTES: Schema = obj({"router": obj({"routes": ROUTES}, ("routes",))}, ("router",))
AGENT_ROUTER: Schema = obj({"router_id": UUID}, ("router_id",))

_DNS_NAME: Schema = {"type": "string", "maxLength": 63, "pattern": r"^([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)?\Z"}
_DNS_DOMAIN: Schema = {"type": "string", "maxLength": 255, "pattern": r"^([A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?)?\Z"}
_ASSOCIATION: dict[str, Schema] = {
    "port_id": {"anyOf": [UUID, _OR_NULL]},
    "fixed_ip_address": {"anyOf": [IP, _OR_NULL]},
    "router_id": {"anyOf": [UUID, _OR_NULL]},
    "description": TEXT,
}
FLOATING_IP = Resource(
    singular="floatingip",
    plural="floatingips",
    schema_create=obj(
        {
            **_ASSOCIATION,
            "floating_network_id": UUID,
            "floating_ip_address": {"anyOf": [IP, _OR_NULL]},
            "subnet_id": {"anyOf": [UUID, _OR_NULL]},
            "dns_name": _DNS_NAME,
            "dns_domain": _DNS_DOMAIN,
            "project_id": PROJECT,
            "tenant_id": PROJECT,
        },
        ("floating_network_id",),
    ),
    schema_update=obj(_ASSOCIATION),
    server_owned=_OWNED | {"port_details", "port_forwardings"},
    admin=frozenset({"floating_ip_address"}),
)

_PORT_NUMBER: Schema = {
    "anyOf": [
        {"type": "integer", "minimum": 1, "maximum": 65535},
        {"type": "string", "maxLength": 5, "pattern": r"^[1-9][0-9]*\Z"},
    ]
}
_FORWARDING: dict[str, Schema] = {
    "external_port": _PORT_NUMBER,
    "internal_port": _PORT_NUMBER,
    "internal_ip_address": IP,
    "internal_port_id": UUID,
    "protocol": {"enum": ["tcp", "udp", "sctp", "TCP", "UDP", "SCTP"]},
    "description": TEXT,
}
PORT_FORWARDING = Resource(
    singular="port_forwarding",
    plural="port_forwardings",
    schema_create=obj(
        {**_FORWARDING, "project_id": PROJECT, "tenant_id": PROJECT},
        ("external_port", "internal_port", "internal_ip_address", "internal_port_id", "protocol"),
    ),
    schema_update=obj(_FORWARDING),
    server_owned=frozenset({"id"}),
)
