"""Bodies of the audit's requests."""

from __future__ import annotations

from api.schema import Schema, obj
from common.db.audit import Kind

#: the kinds that may be repaired without a person's judgement
REPAIR: Schema = obj(
    {"repair": {"type": "array", "minItems": 1, "maxItems": 1, "items": {"enum": [Kind.NODE_USED.value]}}}, ("repair",)
)
