"""What tag requests may hold."""

from __future__ import annotations

from api.schema import Schema, obj

MAX_TAGS = 50
TAG: Schema = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[^\x00-\x1f\x7f,]*\Z"}
TAGS: Schema = {"type": "array", "maxItems": MAX_TAGS, "uniqueItems": True, "items": TAG}
BODY: Schema = obj({"tags": TAGS}, ("tags",))
