"""The rows of trusts. Whose a trust is, the operations check."""

from __future__ import annotations

from api.identity.handlers import trusts
from api.policy import Rule
from api.routing import Handler, Route

_TRUST = "/OS-TRUST/trusts/<trust_id>"


def _row(method: str, path: str, handler: Handler, key: str) -> Route:
    return Route(method, path, None, None, None, Rule.AUTHENTICATED, handler, f"identity:{key}")


TRUSTS = [
    _row("GET", "/OS-TRUST/trusts", trusts.list_trusts, "list_trusts"),
    _row("POST", "/OS-TRUST/trusts", trusts.create, "create_trust"),
    _row("GET", _TRUST, trusts.show, "get_trust"),
    _row("DELETE", _TRUST, trusts.delete, "delete_trust"),
    _row("GET", f"{_TRUST}/roles", trusts.list_roles, "list_roles_for_trust"),
    _row("GET", f"{_TRUST}/roles/<role_id>", trusts.show_role, "get_role_for_trust"),
]
