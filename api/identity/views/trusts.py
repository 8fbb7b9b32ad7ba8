"""Trusts as the Identity API shows them."""

from __future__ import annotations

from typing import Any

from api.identity.operations.trusts import Shown
from api.identity.views.roles import role
from api.identity.views.tokens import timestamp
from common.db.models import Trust


def trust(shown: Shown, base_url: str) -> dict[str, Any]:
    links = {"self": f"{base_url}/OS-TRUST/trusts/{shown.trust.id}/roles", "next": None, "previous": None}
    roles = [role(row, base_url) for row in shown.roles]
    return {**listed(shown.trust, base_url), "roles": roles, "roles_links": links}


def listed(row: Trust, base_url: str) -> dict[str, Any]:
    """In a list a trust has no roles, as Keystone's."""
    return {
        "id": row.id,
        "trustor_user_id": row.trustor_user_id,
        "trustee_user_id": row.trustee_user_id,
        "project_id": row.project_id,
        "impersonation": row.impersonation,
        "expires_at": timestamp(row.expires_at) if row.expires_at else None,
        "deleted_at": None,
        "remaining_uses": row.remaining_uses,
        "redelegation_count": row.redelegation_count,
        "redelegated_trust_id": row.parent_id,
        "links": {"self": f"{base_url}/OS-TRUST/trusts/{row.id}"},
    }
