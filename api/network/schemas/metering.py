"""What requests about metering may hold."""

from __future__ import annotations

from api.network.resource import BOOLEAN, IP, NAME, PROJECT, Resource
from api.schema import UUID, Schema, obj

_OR_NULL: Schema = {"anyOf": [IP, {"type": "null"}]}
LABEL = Resource(
    singular="metering_label",
    plural="metering_labels",
    schema_create=obj(
        {
            "name": NAME,
            "description": {"type": "string", "maxLength": 1024, "pattern": r"^[^\x00]*\Z"},
            "shared": BOOLEAN,
            "project_id": PROJECT,
            "tenant_id": PROJECT,
        }
    ),
    schema_update=obj({}),
    server_owned=frozenset({"id"}),
)
LABEL_RULE = Resource(
    singular="metering_label_rule",
    plural="metering_label_rules",
    schema_create=obj(
        {
            "metering_label_id": UUID,
            "direction": {"enum": ["ingress", "egress"]},
            "excluded": BOOLEAN,
            "remote_ip_prefix": _OR_NULL,
            "source_ip_prefix": _OR_NULL,
            "destination_ip_prefix": _OR_NULL,
            "project_id": PROJECT,
            "tenant_id": PROJECT,
        },
        ("metering_label_id",),
    ),
    schema_update=obj({}),
    server_owned=frozenset({"id"}),
)
