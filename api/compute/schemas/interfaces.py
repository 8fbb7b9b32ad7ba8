"""The body of POST /servers/{id}/os-interface."""

from __future__ import annotations

from functools import lru_cache

from api.compute.schemas.servers import ADDRESS, TAG
from api.microversion import Microversion
from api.schema import UUID, Schema, obj

_FIXED_IPS: Schema = {
    "type": "array", "minItems": 1, "maxItems": 1, "items": obj({"ip_address": ADDRESS}, ("ip_address",)),
}  # fmt: skip


@lru_cache(maxsize=128)
def attach(version: Microversion) -> Schema:
    """With a tag since 2.49. Who wishes for nothing may send an empty body."""
    wanted: dict[str, Schema] = {"net_id": UUID, "port_id": UUID, "fixed_ips": _FIXED_IPS}
    if version >= Microversion(2, 49):
        wanted["tag"] = TAG
    return obj({"interfaceAttachment": obj(wanted)})
