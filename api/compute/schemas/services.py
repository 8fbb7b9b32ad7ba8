"""Bodies of requests about services."""

from __future__ import annotations

from api.schema import BOOLEAN, Schema, obj

_WORD: Schema = {"type": "string", "minLength": 1, "maxLength": 255}
_REASON: Schema = {"type": "string", "minLength": 1, "maxLength": 255}
_WHICH = {"host": _WORD, "binary": _WORD}
ENABLE = obj(_WHICH, ("host", "binary"))
DISABLE = obj(_WHICH, ("host", "binary"))
DISABLE_WITH_REASON = obj({**_WHICH, "disabled_reason": _REASON}, ("host", "binary", "disabled_reason"))
FORCE_DOWN = obj({**_WHICH, "forced_down": BOOLEAN}, ("host", "binary", "forced_down"))
_STATUS: Schema = {"type": "string", "maxLength": 16, "pattern": r"^ *([Ee][Nn]|[Dd][Ii][Ss])[Aa][Bb][Ll][Ee] *\Z"}
UPDATE_HOST = obj({"status": _STATUS, "maintenance_mode": _STATUS}, minProperties=1)
UPDATE_253 = obj({"status": {"enum": ["enabled", "disabled"]}, "disabled_reason": _REASON, "forced_down": BOOLEAN})
