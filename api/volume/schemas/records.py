"""Bodies of requests about transfers of volumes, quota, and services."""

from __future__ import annotations

from api.schema import BOOLEAN, TEXT, UUID, Schema, integer, obj

_KEY: Schema = {"type": "string", "minLength": 1, "maxLength": 255}
TRANSFER_CREATE: Schema = obj({"transfer": obj({"volume_id": UUID, "name": TEXT}, ("volume_id",))}, ("transfer",))
TRANSFER_CREATE_355: Schema = obj(
    {"transfer": obj({"volume_id": UUID, "name": TEXT, "no_snapshots": BOOLEAN}, ("volume_id",))}, ("transfer",)
)
TRANSFER_ACCEPT: Schema = obj({"accept": obj({"auth_key": _KEY}, ("auth_key",))}, ("accept",))

#: resources, and resources of one type (`gigabytes_fast`): which of them there are is checked where types are known
QUOTA: Schema = obj(
    {
        "quota_set": {
            "type": "object",
            "maxProperties": 512,
            "properties": {"tenant_id": {"type": "string", "maxLength": 255}, "force": BOOLEAN},
            "patternProperties": {r"^(?!tenant_id\Z|force\Z)[^\x00]{1,300}\Z": integer(-1)},
            "additionalProperties": False,
        }
    },
    ("quota_set",),
)
QUOTA_CLASS: Schema = obj(
    {
        "quota_class_set": {
            "type": "object",
            "maxProperties": 512,
            "properties": {"class_name": {"type": "string", "maxLength": 255}},
            "patternProperties": {r"^(?!class_name\Z)[^\x00]{1,300}\Z": integer(-1)},
            "additionalProperties": False,
        }
    },
    ("quota_class_set",),
)

_HOST: Schema = {"type": "string", "minLength": 1, "maxLength": 255}
SERVICE: Schema = obj({"host": _HOST, "binary": _HOST, "service": _HOST}, ("host",))
SERVICE_WITH_REASON: Schema = obj(
    {"host": _HOST, "binary": _HOST, "service": _HOST, "disabled_reason": {**_HOST, "pattern": r"\S"}},
    ("host", "disabled_reason"),
)
