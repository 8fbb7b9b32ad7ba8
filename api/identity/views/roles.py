"""Roles as the Identity API shows them."""

from __future__ import annotations

from typing import Any

from common.db.models import Role


def role(row: Role, base_url: str) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "domain_id": row.domain_id or None,
        "description": row.description,
        "options": row.options,
        "links": {"self": f"{base_url}/roles/{row.id}"},
    }
