"""Bodies of the actions on a volume: each an object under the action's name."""

from __future__ import annotations

from api.schema import BOOLEAN, NAME, Schema, integer, obj
from api.volume.schemas.volumes import KEY_PATTERN

_ID: Schema = {"type": "string", "minLength": 1, "maxLength": 64}
_ID_OR_NULL: Schema = {"type": ["string", "null"], "maxLength": 64}
_WORD: Schema = {"type": ["string", "null"], "maxLength": 32}
_MODE: Schema = {"enum": ["rw", "ro"]}
_ITEMS: Schema = {
    "type": "object",
    "maxProperties": 1024,
    "patternProperties": {KEY_PATTERN: {"type": "string", "maxLength": 255}},
    "additionalProperties": False,
}
_SCALAR: Schema = {"type": ["string", "boolean", "integer", "null"], "maxLength": 1024}
CONNECTOR: Schema = {
    "type": ["object", "null"],
    "maxProperties": 64,
    "propertyNames": {"type": "string", "maxLength": 255},
    "additionalProperties": {"anyOf": [_SCALAR, {"type": "array", "maxItems": 64, "items": _SCALAR}]},
}


def _action(name: str, properties: dict[str, Schema], required: tuple[str, ...] = ()) -> Schema:
    return obj({name: obj(properties, required)}, (name,))


EXTEND = _action("os-extend", {"new_size": integer(1)}, ("new_size",))
RESET_STATUS = _action(
    "os-reset_status", {"status": _WORD, "attach_status": _WORD, "migration_status": _WORD}
)  # fmt: skip
SET_BOOTABLE = _action("os-set_bootable", {"bootable": BOOLEAN}, ("bootable",))
READ_ONLY = _action("os-update_readonly_flag", {"readonly": BOOLEAN}, ("readonly",))
SET_IMAGE_METADATA = _action("os-set_image_metadata", {"metadata": _ITEMS}, ("metadata",))
UNSET_IMAGE_METADATA = _action(
    "os-unset_image_metadata", {"key": {"type": "string", "minLength": 1, "maxLength": 255}}, ("key",)
)
UPLOAD_IMAGE = _action(
    "os-volume_upload_image",
    {
        "image_name": NAME,
        "force": BOOLEAN,
        "disk_format": {"type": ["string", "null"], "maxLength": 32},
        "container_format": {"type": ["string", "null"], "maxLength": 32},
        "visibility": {"enum": ["private", "public", "shared", "community"]},
        "protected": BOOLEAN,
    },
    ("image_name",),
)
ATTACH = _action(
    "os-attach",
    {
        "instance_uuid": _ID_OR_NULL,
        "mountpoint": {"type": ["string", "null"], "maxLength": 255},
        "host_name": {"type": ["string", "null"], "maxLength": 255},
        "mode": _MODE,
    },
)
DETACH = _action("os-detach", {"attachment_id": _ID_OR_NULL})
FORCE_DETACH = _action("os-force_detach", {"attachment_id": _ID_OR_NULL, "connector": CONNECTOR})
CONNECT = _action("os-initialize_connection", {"connector": {**CONNECTOR, "type": "object"}}, ("connector",))
DISCONNECT = _action("os-terminate_connection", {"connector": CONNECTOR})
REVERT = _action("revert", {"snapshot_id": _ID}, ("snapshot_id",))
RETYPE = _action(
    "os-retype",
    {
        "new_type": {"type": "string", "minLength": 1, "maxLength": 255},
        "migration_policy": {"enum": ["never", "on-demand", None]},
    },
    ("new_type",),
)
_HOST: Schema = {"type": ["string", "null"], "minLength": 1, "maxLength": 255}
MIGRATE = _action("os-migrate_volume", {"host": _HOST, "force_host_copy": BOOLEAN, "lock_volume": BOOLEAN}, ("host",))
MIGRATE_316 = _action(
    "os-migrate_volume", {"host": _HOST, "cluster": _HOST, "force_host_copy": BOOLEAN, "lock_volume": BOOLEAN}
)
MIGRATION_COMPLETION = _action(
    "os-migrate_volume_completion", {"new_volume": _ID, "error": BOOLEAN}, ("new_volume",)
)  # fmt: skip
ATTACHMENT_CREATE: Schema = obj(
    {"attachment": obj({"volume_uuid": _ID, "instance_uuid": _ID_OR_NULL, "connector": CONNECTOR}, ("volume_uuid",))},
    ("attachment",),
)
ATTACHMENT_CREATE_354: Schema = obj(
    {
        "attachment": obj(
            {"volume_uuid": _ID, "instance_uuid": _ID_OR_NULL, "connector": CONNECTOR, "mode": _MODE}, ("volume_uuid",)
        )
    },
    ("attachment",),
)
ATTACHMENT_UPDATE: Schema = obj(
    {"attachment": obj({"connector": {**CONNECTOR, "type": "object", "minProperties": 1}}, ("connector",))},
    ("attachment",),
)
