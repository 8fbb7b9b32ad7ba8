"""Projects as the Identity API shows them."""

from __future__ import annotations

from typing import Any

from common.db.models import Project


def project(row: Project, base_url: str) -> dict[str, Any]:
    """A project directly under its domain has the domain's id as parent."""
    return {
        **row.extra,
        "id": row.id,
        "name": row.name,
        "domain_id": row.domain_id,
        "description": row.description,
        "enabled": row.enabled,
        "parent_id": row.parent_id or row.domain_id,
        "is_domain": False,
        "tags": row.tags,
        "options": row.options,
        "links": {"self": f"{base_url}/projects/{row.id}"},
    }
