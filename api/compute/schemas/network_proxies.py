"""Bodies of requests about security groups and floating IPs in compute's own API (until 2.35)."""

from __future__ import annotations

from api.schema import NAME, UUID, Schema, obj

_TEXT: Schema = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^(?! *\Z)[^\x00]*\Z"}
_GROUP = {"name": NAME, "description": {**_TEXT, "minLength": 0, "pattern": r"^[^\x00]*\Z"}}
CREATE_GROUP = obj({"security_group": obj(_GROUP, ("name", "description"))}, ("security_group",))
UPDATE_GROUP = CREATE_GROUP
_PORT: Schema = {"type": ["integer", "string", "null"], "maxLength": 6, "pattern": r"^-?[0-9]+\Z"}
_RULE: dict[str, Schema] = {
    "parent_group_id": UUID,
    "ip_protocol": {"enum": ["tcp", "udp", "icmp", "TCP", "UDP", "ICMP", None]},
    "from_port": _PORT,
    "to_port": _PORT,
    "cidr": {"type": ["string", "null"], "maxLength": 64},
    "group_id": {"anyOf": [UUID, {"type": "null"}]},
}
CREATE_RULE = obj({"security_group_rule": obj(_RULE, ("parent_group_id",))}, ("security_group_rule",))
CREATE_FLOATING_IP = obj({"pool": {"type": ["string", "null"], "maxLength": 255}})
