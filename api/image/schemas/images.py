"""What a request about an image may hold. Keys that are no attribute of an image become its properties.

Nothing of a user's text may hold NUL, which PostgreSQL refuses.
"""

from __future__ import annotations

from typing import Any

from api.schema import STRICT_BOOLEAN, Schema, obj
from common.db.image_members import MemberStatus
from common.db.images import Visibility
from common.image_inspector import FORMATS

MAX_PROPERTIES = 128
MAX_TAGS = 128
CONTAINER_FORMATS = ("ami", "ari", "aki", "bare", "ovf", "ova", "docker", "compressed")
JSON_PATCH_TYPES = ("application/openstack-images-v2.1-json-patch", "application/openstack-images-v2.0-json-patch")

_NO_NUL = r"^[^\x00]*\Z"
_UUID = r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\Z"
_ADVICE_INT: Schema = {"type": "integer", "minimum": 0, "maximum": 2**31 - 1}
TAG: Schema = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": _NO_NUL}
PROPERTY_NAME: Schema = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": _NO_NUL}
PROPERTY_VALUE: Schema = {"type": "string", "maxLength": 65535, "pattern": _NO_NUL}
PROJECT: Schema = {"type": "string", "minLength": 1, "maxLength": 64, "pattern": _NO_NUL}

#: what an owner may write, now and later
WRITABLE: dict[str, Schema] = {
    "name": {"type": ["null", "string"], "maxLength": 255, "pattern": _NO_NUL},
    "visibility": {"type": "string", "enum": list(Visibility)},
    "protected": STRICT_BOOLEAN,
    "os_hidden": STRICT_BOOLEAN,
    "container_format": {"type": ["null", "string"], "enum": [None, *CONTAINER_FORMATS]},
    "disk_format": {"type": ["null", "string"], "enum": [None, *FORMATS]},
    "min_disk": _ADVICE_INT,
    "min_ram": _ADVICE_INT,
    "owner": {**PROJECT, "type": ["null", "string"]},
    "tags": {"type": "array", "items": TAG, "maxItems": MAX_TAGS},
}
#: what only the service writes; asking for it is forbidden, not merely ignored (security case IMG-14)
READ_ONLY = (
    "status",
    "checksum",
    "size",
    "virtual_size",
    "created_at",
    "updated_at",
    "os_hash_algo",
    "os_hash_value",
    "direct_url",
    "self",
    "file",
    "schema",
    "stores",
)
RESERVED = ("location", "locations", "stores", "deleted", "deleted_at")
RESERVED_PREFIX = "os_glance"

CREATE: Schema = {
    "type": "object",
    "properties": {"id": {"type": "string", "pattern": _UUID, "maxLength": 36}, **WRITABLE},
    "propertyNames": PROPERTY_NAME,
    "additionalProperties": PROPERTY_VALUE,
    "maxProperties": 256,
}
MEMBER_CREATE: Schema = obj({"member": PROJECT}, ("member",))
MEMBER_UPDATE: Schema = obj({"status": {"type": "string", "enum": list(MemberStatus)}}, ("status",))

_PATCH_ENTRIES: dict[str, Schema] = {
    "op": {"enum": ["add", "replace", "remove"]},
    "path": {"type": "string", "minLength": 1, "maxLength": 600},
    "value": {},
}
PATCH_V21: Schema = {
    "type": "array",
    "maxItems": 512,
    "items": obj(_PATCH_ENTRIES, ("op", "path")),
}
_PATH: Schema = {"type": "string", "minLength": 1, "maxLength": 600}
PATCH_V20: Schema = {
    "type": "array",
    "maxItems": 512,
    "items": {
        "type": "object",
        "properties": {"add": _PATH, "replace": _PATH, "remove": _PATH, "value": {}},
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 2,
    },
}


def attribute_schema(name: str) -> dict[str, Any]:
    """The schema of one attribute or property as an object, so that an error names it."""
    return _BY_NAME.get(name) or _ANY_PROPERTY


_BY_NAME = {name: {"type": "object", "properties": {name: schema}} for name, schema in WRITABLE.items()}
_ANY_PROPERTY: Schema = {
    "type": "object",
    "propertyNames": PROPERTY_NAME,
    "additionalProperties": PROPERTY_VALUE,
    "maxProperties": 1,
}

#: what single methods need
_OF_METHODS: dict[str, Schema] = {
    name: {"type": "string", "maxLength": 2048}
    for name in ("uri", "glance_region", "glance_image_id", "glance_service_interface")
}
IMPORT = obj(
    {
        "method": obj({"name": {"type": "string", "maxLength": 64}, **_OF_METHODS}, ("name",)),
        "all_stores": STRICT_BOOLEAN,
        "all_stores_must_succeed": STRICT_BOOLEAN,
        "stores": {"type": "array", "minItems": 1, "maxItems": 64, "items": {"type": "string", "maxLength": 64}},
    },
    ("method",),
)
