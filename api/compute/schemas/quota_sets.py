"""Bodies of requests about quota: what a microversion still counts."""

from __future__ import annotations

from functools import lru_cache

from api.compute.views.quota_sets import RESOURCES
from api.microversion import Microversion
from api.schema import BOOLEAN, Schema, integer, obj


@lru_cache(maxsize=128)
def update(version: Microversion) -> Schema:
    """The body of PUT /os-quota-sets/{id}; -1 is no limit."""
    limits = {resource.name: integer(-1) for resource in RESOURCES if resource.shown_at(version)}
    words: Schema = {"type": "string", "maxLength": 255}
    return obj({"quota_set": obj({**limits, "force": BOOLEAN, "tenant_id": words})}, ("quota_set",))


@lru_cache(maxsize=128)
def update_class(version: Microversion) -> Schema:
    """The body of PUT /os-quota-class-sets/{name}; -1 is no limit."""
    limits = {resource.name: integer(-1) for resource in RESOURCES if resource.settable_in_class_at(version)}
    return obj({"quota_class_set": obj(limits)}, ("quota_class_set",))


UPDATE_NEWEST = update(Microversion(2, 100))
