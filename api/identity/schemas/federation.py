"""Identity providers, protocols, mappings (schema version 1.0) and service providers: create and update."""

from __future__ import annotations

from api.identity.schemas.shared import DESCRIPTION, ENABLED, NULLABLE_ID
from api.schema import ID, NAME, STRICT_BOOLEAN, Schema, obj

_WORD: Schema = {"type": "string", "maxLength": 1024}
_URL: Schema = {"type": "string", "maxLength": 256, "pattern": r"^https?://[^\x00-\x20\x7f]+\Z"}
_REMOTE_IDS: Schema = {"type": ["array", "null"], "maxItems": 100, "uniqueItems": True, "items": NAME}
_IDP: dict[str, Schema] = {
    "enabled": ENABLED,
    "description": DESCRIPTION,
    "authorization_ttl": {"type": ["integer", "null"], "minimum": 0, "maximum": 2**31 - 1},
    "remote_ids": _REMOTE_IDS,
}
CREATE_IDP = obj({"identity_provider": obj({**_IDP, "domain_id": NULLABLE_ID})}, ("identity_provider",))
UPDATE_IDP = obj({"identity_provider": obj(_IDP, minProperties=1)}, ("identity_provider",))
PROTOCOL = obj({"protocol": obj({"mapping_id": ID}, ("mapping_id",))}, ("protocol",))

_SP: dict[str, Schema] = {
    "auth_url": _URL,
    "sp_url": _URL,
    "description": DESCRIPTION,
    "enabled": ENABLED,
    "relay_state_prefix": {"type": ["string", "null"], "maxLength": 255},
}
CREATE_SP = obj({"service_provider": obj(_SP, ("auth_url", "sp_url"))}, ("service_provider",))
UPDATE_SP = obj({"service_provider": obj(_SP, minProperties=1)}, ("service_provider",))

_DOMAIN = obj({"id": _WORD, "name": _WORD})
_WORDS: Schema = {"type": "array", "maxItems": 1000, "items": _WORD}
_USER = obj({"id": _WORD, "name": _WORD, "email": _WORD, "domain": _DOMAIN, "type": {"enum": ["ephemeral", "local"]}})
_ROLES: Schema = {"type": "array", "maxItems": 100, "items": obj({"name": _WORD}, ("name",))}
_PROJECTS: Schema = {
    "type": "array",
    "maxItems": 100,
    "items": obj({"name": _WORD, "roles": _ROLES, "domain": _DOMAIN}, ("name", "roles")),
}
_GROUP = obj({"id": _WORD, "name": _WORD, "domain": _DOMAIN}, oneOf=[{"required": ["id"]}, {"required": ["name"]}])
_LOCAL = obj(
    {"user": _USER, "projects": _PROJECTS, "group": _GROUP, "groups": _WORD, "group_ids": _WORD, "domain": _DOMAIN}
)
_CONDITIONS = ("any_one_of", "not_any_of", "blacklist", "whitelist")
_REMOTE: Schema = {
    "anyOf": [
        obj({"type": _WORD}, ("type",)),
        *(obj({"type": _WORD, name: _WORDS, "regex": STRICT_BOOLEAN}, ("type", name)) for name in _CONDITIONS),
    ]
}
_RULE = obj(
    {
        "local": {"type": "array", "maxItems": 100, "items": _LOCAL},
        "remote": {"type": "array", "minItems": 1, "maxItems": 100, "items": _REMOTE},
    },
    ("local", "remote"),
)
MAPPING = obj(
    {
        "mapping": obj(
            {
                "rules": {"type": "array", "minItems": 1, "maxItems": 1000, "items": _RULE},
                "schema_version": {"enum": ["1.0"]},
            },
            ("rules",),
        )
    },
    ("mapping",),
)
