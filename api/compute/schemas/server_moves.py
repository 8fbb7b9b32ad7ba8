"""Bodies of the actions that move servers between nodes."""

from __future__ import annotations

from functools import lru_cache

from api.microversion import Microversion
from api.schema import BOOLEAN, HOST, Schema, obj

_HOST: Schema = {"anyOf": [HOST, {"type": "null"}]}
_AUTO: Schema = {"anyOf": [BOOLEAN, {"enum": ["auto"]}]}


@lru_cache(maxsize=128)
def migrate_live(version: Microversion) -> Schema:
    """os-migrateLive: over-commit went with 2.25, and force, which came with 2.30, with 2.68."""
    wanted: dict[str, Schema] = {"host": _HOST, "block_migration": BOOLEAN}
    if version >= Microversion(2, 25):
        wanted["block_migration"] = _AUTO
    else:
        wanted["disk_over_commit"] = BOOLEAN
    required = tuple(wanted)
    if Microversion(2, 30) <= version < Microversion(2, 68):
        wanted["force"] = BOOLEAN
    return obj({"os-migrateLive": obj(wanted, required)}, ("os-migrateLive",))


@lru_cache(maxsize=128)
def evacuate(version: Microversion) -> Schema:
    """onSharedStorage went with 2.14; force came with 2.29 and went with 2.68; since 2.95 the server stays off."""
    wanted: dict[str, Schema] = {"host": HOST, "adminPass": {"type": "string", "maxLength": 255}}
    if version < Microversion(2, 14):
        wanted["onSharedStorage"] = BOOLEAN
    if Microversion(2, 29) <= version < Microversion(2, 68):
        wanted["force"] = BOOLEAN
    required = ("onSharedStorage",) if version < Microversion(2, 14) else ()
    return obj({"evacuate": obj(wanted, required)}, ("evacuate",))
