"""Trusts: create."""

from __future__ import annotations

from api.identity.schemas.shared import NULLABLE_ID
from api.schema import ID, NAME, STRICT_BOOLEAN, obj

CREATE = obj(
    {
        "trust": obj(
            {
                "trustor_user_id": ID,
                "trustee_user_id": ID,
                "impersonation": STRICT_BOOLEAN,
                "project_id": NULLABLE_ID,
                "expires_at": {"type": ["string", "null"], "maxLength": 64},
                "remaining_uses": {"type": ["integer", "null"], "minimum": 1, "maximum": 2**31 - 1},
                "allow_redelegation": {"type": ["boolean", "null"]},
                "redelegation_count": {"type": ["integer", "null"], "minimum": 0, "maximum": 2**31 - 1},
                "roles": {"type": "array", "maxItems": 64, "items": obj({"id": ID, "name": NAME}, minProperties=1)},
            },
            ("trustor_user_id", "trustee_user_id", "impersonation"),
        )
    },
    ("trust",),
)
