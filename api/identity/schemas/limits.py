"""Registered limits and limits: create and update. -1: no limit."""

from __future__ import annotations

from api.identity.schemas.catalog import REGION_ID
from api.identity.schemas.shared import DESCRIPTION
from api.schema import ID, NAME, Schema, obj

_AMOUNT: Schema = {"type": "integer", "minimum": -1, "maximum": 2**31 - 1}
_REGION: Schema = {**REGION_ID, "type": ["string", "null"]}
_PLACE: dict[str, Schema] = {"service_id": ID, "region_id": _REGION, "resource_name": NAME}
_REGISTERED: dict[str, Schema] = {**_PLACE, "default_limit": _AMOUNT, "description": DESCRIPTION}
_OWN: dict[str, Schema] = {"resource_limit": _AMOUNT, "description": DESCRIPTION}


def _many(name: str, one: Schema) -> Schema:
    return obj({name: {"type": "array", "minItems": 1, "maxItems": 1000, "items": one}}, (name,))


CREATE_REGISTERED = _many("registered_limits", obj(_REGISTERED, ("service_id", "resource_name", "default_limit")))
UPDATE_REGISTERED = obj({"registered_limit": obj({**_REGISTERED, "id": ID})}, ("registered_limit",))
CREATE = _many(
    "limits",
    obj(
        {**_PLACE, **_OWN, "project_id": ID, "domain_id": ID},
        ("service_id", "resource_name", "resource_limit"),
        oneOf=[{"required": ["project_id"]}, {"required": ["domain_id"]}],
    ),
)
UPDATE = obj({"limit": obj({**_OWN, "id": ID})}, ("limit",))
