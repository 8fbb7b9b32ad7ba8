"""Application credentials, access rules, and stored credentials."""

from __future__ import annotations

from api.identity.schemas.shared import DESCRIPTION, NULLABLE_ID
from api.schema import ID, NAME, STRICT_BOOLEAN, Schema, obj

_PATH: Schema = {"type": "string", "minLength": 1, "maxLength": 128, "pattern": r"^/[^\x00-\x20\x7f]*\Z"}
_RULE: Schema = obj(
    {
        "id": ID,
        "service": {"type": "string", "minLength": 1, "maxLength": 64, "pattern": r"^[a-zA-Z0-9_.-]+\Z"},
        "method": {"enum": ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]},
        "path": _PATH,
    },
    anyOf=[{"required": ["id"]}, {"required": ["service", "method", "path"]}],
)
CREATE_APPLICATION_CREDENTIAL = obj(
    {
        "application_credential": obj(
            {
                "name": NAME,
                "description": DESCRIPTION,
                "secret": {"type": ["string", "null"], "minLength": 1, "maxLength": 255},
                "expires_at": {"type": ["string", "null"], "maxLength": 64},
                "roles": {
                    "type": "array",
                    "maxItems": 64,
                    "items": obj({"id": ID, "name": NAME}, minProperties=1),
                },
                "unrestricted": {**STRICT_BOOLEAN},
                "access_rules": {"type": "array", "maxItems": 64, "items": _RULE},
                "project_id": NULLABLE_ID,
            },
            ("name",),
        )
    },
    ("application_credential",),
)

_BLOB: Schema = {"type": "string", "maxLength": 65535, "pattern": r"^[^\x00]*\Z"}
_TYPE: Schema = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[^\x00-\x1f]*\Z"}
_CREDENTIAL = {"user_id": ID, "project_id": NULLABLE_ID, "type": _TYPE, "blob": _BLOB}
CREATE_CREDENTIAL = obj({"credential": obj(_CREDENTIAL, ("type", "blob"))}, ("credential",))
UPDATE_CREDENTIAL = obj({"credential": obj({**_CREDENTIAL, "id": ID})}, ("credential",))
CREATE_EC2_CREDENTIAL = obj({"tenant_id": ID}, ("tenant_id",))
