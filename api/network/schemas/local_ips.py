"""What requests about local IPs may hold."""

from __future__ import annotations

from api.network.resource import IP, NAME, PROJECT, TEXT, Resource
from api.schema import UUID, Schema, obj
from common.db.local_ips import PASSTHROUGH, TRANSLATE

_ADDRESS: Schema = {"anyOf": [IP, {"type": "null"}]}

LOCAL_IP = Resource(
    singular="local_ip",
    plural="local_ips",
    schema_create=obj(
        {
            "name": NAME,
            "description": TEXT,
            "local_port_id": UUID,
            "network_id": UUID,
            "local_ip_address": _ADDRESS,
            "ip_mode": {"enum": [TRANSLATE, PASSTHROUGH]},
            "project_id": PROJECT,
            "tenant_id": PROJECT,
        }
    ),
    schema_update=obj({"name": NAME, "description": TEXT}),
    server_owned=frozenset({"id", "created_at", "updated_at", "revision_number"}),
)

PORT_ASSOCIATION = Resource(
    singular="port_association",
    plural="port_associations",
    schema_create=obj(
        {"fixed_port_id": UUID, "fixed_ip": _ADDRESS, "project_id": PROJECT, "tenant_id": PROJECT}, ("fixed_port_id",)
    ),
    schema_update=obj({}),
    server_owned=frozenset({"local_ip_id", "local_ip_address", "host"}),
)
