"""Users: create, update, and changing one's own password."""

from __future__ import annotations

from api.identity.schemas.shared import DESCRIPTION, ENABLED, NULLABLE_ID, REFUSED, USER_OPTIONS, with_extras
from api.schema import ID, NAME, Schema, obj

#: the cap on a password's bytes is the configuration's; this one only bounds the text
_PASSWORD: Schema = {"type": ["string", "null"], "minLength": 1, "maxLength": 1024 * 1024}
_GIVEN_PASSWORD: Schema = {**_PASSWORD, "type": "string"}
_FIELDS = {
    "name": NAME,
    "domain_id": NULLABLE_ID,
    "default_project_id": NULLABLE_ID,
    "description": DESCRIPTION,
    "email": {"type": ["string", "null"], "maxLength": 255},
    "enabled": ENABLED,
    "password": _PASSWORD,
    "options": USER_OPTIONS,
}
CREATE = obj({"user": with_extras({**_FIELDS, "id": REFUSED}, ("name",))}, ("user",))
UPDATE = obj({"user": with_extras({**_FIELDS, "original_password": REFUSED, "id": ID})}, ("user",))
CHANGE_PASSWORD = obj(
    {
        "user": obj(
            {"original_password": _GIVEN_PASSWORD, "password": _GIVEN_PASSWORD}, ("original_password", "password")
        )
    },
    ("user",),
)
