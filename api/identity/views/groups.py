"""Groups as the Identity API shows them."""

from __future__ import annotations

from typing import Any

from common.db.models import Group


def group(row: Group, base_url: str) -> dict[str, Any]:
    return {
        **row.extra,
        "id": row.id,
        "name": row.name,
        "domain_id": row.domain_id,
        "description": row.description,
        "links": {"self": f"{base_url}/groups/{row.id}"},
    }
