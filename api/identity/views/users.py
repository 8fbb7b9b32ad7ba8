"""Users as the Identity API shows them: never anything about the password but that it doesn't expire."""

from __future__ import annotations

from typing import Any

from common.db.models import User


def user(row: User, base_url: str) -> dict[str, Any]:
    optional = {"email": row.email, "description": row.description, "default_project_id": row.default_project_id}
    return {
        **row.extra,
        **{name: value for name, value in optional.items() if value is not None},
        "id": row.id,
        "name": row.name,
        "domain_id": row.domain_id,
        "enabled": row.enabled,
        "password_expires_at": None,
        "options": row.options,
        "links": {"self": f"{base_url}/users/{row.id}"},
    }
