"""Inventories as they may be written. Source: placement API reference, "Update resource provider inventories"."""

from __future__ import annotations

from api.schema import Schema, obj
from common.db.providers import ResourceClass

_UNITS: Schema = {"type": "integer", "minimum": 1, "maximum": 2**31 - 1}
_GENERATION: Schema = {"type": "integer", "minimum": 0, "maximum": 2**62}
_FIELDS: dict[str, Schema] = {
    "total": _UNITS,
    "reserved": {"type": "integer", "minimum": 0, "maximum": 2**31 - 1},
    "min_unit": _UNITS,
    "max_unit": _UNITS,
    "step_size": _UNITS,
    "allocation_ratio": {"type": "number", "exclusiveMinimum": 0, "maximum": 1000},
}

ONE = obj({"resource_provider_generation": _GENERATION, **_FIELDS}, ("resource_provider_generation", "total"))
ALL = obj(
    {
        "resource_provider_generation": _GENERATION,
        "inventories": obj({name: obj(_FIELDS, ("total",)) for name in ResourceClass}),
    },
    ("resource_provider_generation", "inventories"),
)
