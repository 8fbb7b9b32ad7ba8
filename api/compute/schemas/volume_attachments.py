"""Bodies of os-volume_attachments, by microversion."""

from __future__ import annotations

from functools import lru_cache

from api.microversion import Microversion
from api.schema import BOOLEAN, ID, UUID, Schema, obj

_DEVICE: Schema = {"type": ["string", "null"], "maxLength": 255, "pattern": r"^/dev/[a-z]+[0-9]*\Z"}
_TAG: Schema = {"type": "string", "minLength": 1, "maxLength": 60, "pattern": r"^[^,/]*\Z"}


@lru_cache(maxsize=128)
def attach(version: Microversion) -> Schema:
    found: dict[str, Schema] = {"volumeId": UUID, "device": _DEVICE}
    if version >= Microversion(2, 49):
        found["tag"] = _TAG
    if version >= Microversion(2, 79):
        found["delete_on_termination"] = BOOLEAN
    return obj({"volumeAttachment": obj(found, ("volumeId",))}, ("volumeAttachment",))


@lru_cache(maxsize=128)
def update(version: Microversion) -> Schema:
    found: dict[str, Schema] = {"volumeId": UUID}
    if version >= Microversion(2, 85):
        found |= {
            "device": _DEVICE, "tag": {**_TAG, "type": ["string", "null"]}, "delete_on_termination": BOOLEAN,
            "serverId": ID, "id": ID,
        }  # fmt: skip
    return obj({"volumeAttachment": obj(found, ("volumeId",))}, ("volumeAttachment",))
