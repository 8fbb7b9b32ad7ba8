"""POST /auth/tokens."""

from __future__ import annotations

from api.schema import Schema, obj

#: ids and names come from outside here and only select rows: any printable text, bounded
_REFERENCE: Schema = {"type": "string", "minLength": 1, "maxLength": 255}
#: the cap on a password's bytes is the configuration's; this one only bounds the text
_PASSWORD: Schema = {"type": "string", "maxLength": 1024 * 1024}
_DOMAIN = obj({"id": _REFERENCE, "name": _REFERENCE}, minProperties=1)
_USER = obj({"id": _REFERENCE, "name": _REFERENCE, "domain": _DOMAIN, "password": _PASSWORD}, ("password",))
_METHODS: Schema = {"type": "array", "minItems": 1, "maxItems": 16384, "items": {"type": "string", "maxLength": 64}}
_IDENTITY = obj(
    {
        "methods": _METHODS,
        "password": obj({"user": _USER}, ("user",)),
        "application_credential": obj(
            {
                "id": _REFERENCE,
                "name": _REFERENCE,
                "secret": _PASSWORD,
                "user": obj({"id": _REFERENCE, "name": _REFERENCE, "domain": _DOMAIN}, minProperties=1),
            },
            ("secret",),
            anyOf=[{"required": ["id"]}, {"required": ["name", "user"]}],
        ),
        "token": obj({"id": {"type": "string", "maxLength": 4096}}, ("id",)),
    },
    ("methods",),
)
_PROJECT = obj(
    {"id": _REFERENCE, "name": _REFERENCE, "domain": _DOMAIN}, anyOf=[{"required": ["id"]}, {"required": ["name"]}]
)
_SCOPE: Schema = {
    "anyOf": [
        {"enum": ["unscoped"]},
        obj(
            {
                "project": _PROJECT,
                "domain": _DOMAIN,
                "system": obj({"all": {"enum": [True]}}, ("all",)),
                "unscoped": obj({}),
                "OS-TRUST:trust": obj({"id": _REFERENCE}, ("id",)),
            },
            minProperties=1,
            maxProperties=1,
        ),
    ]
}
CREATE_TOKEN = obj({"auth": obj({"identity": _IDENTITY, "scope": _SCOPE}, ("identity",))}, ("auth",))
