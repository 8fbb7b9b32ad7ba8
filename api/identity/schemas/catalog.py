"""Regions, services, endpoints and endpoint groups: create and update."""

from __future__ import annotations

from api.identity.schemas.shared import DESCRIPTION, ENABLED
from api.schema import ID, NAME, Schema, obj

REGION_ID: Schema = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[^\x00-\x20\x7f/]+\Z"}
_NULLABLE_REGION_ID: Schema = {**REGION_ID, "type": ["string", "null"]}
_REGION = {"description": DESCRIPTION, "parent_region_id": _NULLABLE_REGION_ID}
CREATE_REGION = obj({"region": obj({**_REGION, "id": REGION_ID})}, ("region",))
UPDATE_REGION = CREATE_REGION

_TYPE: Schema = {"type": "string", "minLength": 1, "maxLength": 255}
_SERVICE = {
    "type": _TYPE,
    "name": {"type": ["string", "null"], "maxLength": 255},
    "description": DESCRIPTION,
    "enabled": ENABLED,
}
CREATE_SERVICE = obj({"service": obj(_SERVICE, ("type",))}, ("service",))
UPDATE_SERVICE = obj({"service": obj({**_SERVICE, "id": ID})}, ("service",))

_ENDPOINT = {
    "interface": {"enum": ["public", "internal", "admin"]},
    "service_id": ID,
    "enabled": ENABLED,
    "region_id": _NULLABLE_REGION_ID,
    "region": _NULLABLE_REGION_ID,
    "url": {"type": "string", "minLength": 1, "maxLength": 2048, "pattern": r"^https?://[^\x00-\x20\x7f]+\Z"},
    "name": {"type": ["string", "null"], "maxLength": 255},
    "description": DESCRIPTION,
}
CREATE_ENDPOINT = obj({"endpoint": obj(_ENDPOINT, ("interface", "service_id", "url"))}, ("endpoint",))
UPDATE_ENDPOINT = obj({"endpoint": obj({**_ENDPOINT, "id": ID})}, ("endpoint",))

_FILTERS = obj({"service_id": ID, "region_id": REGION_ID, "interface": _ENDPOINT["interface"]})
_ENDPOINT_GROUP: dict[str, Schema] = {"name": NAME, "description": DESCRIPTION, "filters": _FILTERS}
CREATE_ENDPOINT_GROUP = obj({"endpoint_group": obj(_ENDPOINT_GROUP, ("name", "filters"))}, ("endpoint_group",))
UPDATE_ENDPOINT_GROUP = obj(
    {"endpoint_group": obj({**_ENDPOINT_GROUP, "id": ID}, minProperties=1)}, ("endpoint_group",)
)
