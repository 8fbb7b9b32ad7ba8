"""What requests for QoS policies and their rules may hold."""

from __future__ import annotations

from api.network.resource import BOOLEAN, INTEGER, PROJECT, TEXT, Resource
from api.schema import Schema, obj

_NAME: Schema = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[^\x00-\x1f\x7f]*\Z"}
_COMMON: dict[str, Schema] = {"name": _NAME, "description": TEXT, "shared": BOOLEAN, "is_default": BOOLEAN}

QOS_POLICY = Resource(
    singular="policy",
    plural="policies",
    schema_create=obj({**_COMMON, "project_id": PROJECT, "tenant_id": PROJECT}, ("name",)),
    schema_update=obj(_COMMON),
    server_owned=frozenset(
        {"id", "rules", "tags", "tenant_id", "project_id", "created_at", "updated_at", "revision_number"}
    ),
)
_BANDWIDTH: dict[str, Schema] = {
    "max_kbps": INTEGER,
    "max_burst_kbps": INTEGER,
    "direction": {"enum": ["ingress", "egress"]},
}
BANDWIDTH_CREATE: Schema = obj({"bandwidth_limit_rule": obj(_BANDWIDTH, ("max_kbps",))}, ("bandwidth_limit_rule",))
BANDWIDTH_UPDATE: Schema = obj({"bandwidth_limit_rule": obj(_BANDWIDTH)}, ("bandwidth_limit_rule",))
#: the code points that the field knows by name, as Neutron takes them
_MARKS = [0, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32, 34, 36, 38, 40, 46, 48, 56]
_MARK: Schema = {"enum": [*_MARKS, *(str(mark) for mark in _MARKS)]}
DSCP_CREATE: Schema = obj({"dscp_marking_rule": obj({"dscp_mark": _MARK}, ("dscp_mark",))}, ("dscp_marking_rule",))
DSCP_UPDATE: Schema = obj({"dscp_marking_rule": obj({"dscp_mark": _MARK})}, ("dscp_marking_rule",))
