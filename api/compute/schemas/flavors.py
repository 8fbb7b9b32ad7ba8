"""Bodies of requests about flavors."""

from __future__ import annotations

from api.schema import BOOLEAN, LONG_TEXT, NAME, Schema, integer, obj

FLAVOR_ID: Schema = {
    "type": ["string", "integer", "null"], "minLength": 1, "maxLength": 255, "minimum": 0, "maximum": 2**31 - 1,
    "pattern": r"^(?! )[a-zA-Z0-9._ -]*(?<! )\Z",
}  # fmt: skip
SPEC_KEY = r"^[a-zA-Z0-9_:. -]{1,255}\Z"
_FACTOR: Schema = {
    "anyOf": [
        {"type": "number", "exclusiveMinimum": 0, "maximum": 3.4e38},
        {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?\Z", "maxLength": 40},
    ]
}
_SPECS: Schema = {
    "type": "object",
    "patternProperties": {SPEC_KEY: {"anyOf": [{"type": "string", "maxLength": 255}, {"type": "number"}]}},
    "additionalProperties": False,
    "maxProperties": 128,
}
_FLAVOR = {
    "name": NAME,
    "id": FLAVOR_ID,
    "ram": integer(1),
    "vcpus": integer(1),
    "disk": integer(0),
    "OS-FLV-EXT-DATA:ephemeral": integer(0),
    "swap": integer(0),
    "rxtx_factor": _FACTOR,
    "os-flavor-access:is_public": BOOLEAN,
}
_REQUIRED = ("name", "ram", "vcpus", "disk")
CREATE = obj({"flavor": obj(_FLAVOR, _REQUIRED)}, ("flavor",))
CREATE_255 = obj({"flavor": obj({**_FLAVOR, "description": LONG_TEXT}, _REQUIRED)}, ("flavor",))
_FLAVOR_2102 = {name: schema for name, schema in _FLAVOR.items() if name != "rxtx_factor"}
CREATE_2102 = obj({"flavor": obj({**_FLAVOR_2102, "description": LONG_TEXT}, _REQUIRED)}, ("flavor",))
UPDATE_255 = obj({"flavor": obj({"description": LONG_TEXT}, ("description",))}, ("flavor",))
EXTRA_SPECS = obj({"extra_specs": _SPECS}, ("extra_specs",))
EXTRA_SPEC: Schema = {**_SPECS, "minProperties": 1, "maxProperties": 1}
_PROJECT: Schema = {"type": "string", "minLength": 1, "maxLength": 255}
ADD_ACCESS = obj({"addTenantAccess": obj({"tenant": _PROJECT}, ("tenant",))}, ("addTenantAccess",))
REMOVE_ACCESS = obj({"removeTenantAccess": obj({"tenant": _PROJECT}, ("tenant",))}, ("removeTenantAccess",))
