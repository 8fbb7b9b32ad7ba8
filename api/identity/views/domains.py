"""Domains as the Identity API shows them."""

from __future__ import annotations

from typing import Any

from common.db.models import Domain


def domain(row: Domain, base_url: str) -> dict[str, Any]:
    return {
        **row.extra,
        "id": row.id,
        "name": row.name,
        "description": row.description,
        "enabled": row.enabled,
        "tags": row.tags,
        "options": {},
        "links": {"self": f"{base_url}/domains/{row.id}"},
    }
