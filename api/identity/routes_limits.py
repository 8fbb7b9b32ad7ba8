"""The rows of unified limits. Everybody who has a token sees the registered ones; whose a limit is, the operation checks."""

from __future__ import annotations

from api.identity.handlers import limits
from api.policy import Rule
from api.routing import Handler, Route

_REGISTERED = "/registered_limits/<registered_limit_id>"
_LIMIT = "/limits/<limit_id>"


def _row(method: str, path: str, handler: Handler, key: str) -> Route:
    rule = Rule.AUTHENTICATED if method == "GET" else Rule.CLOUD_ADMIN
    return Route(method, path, None, None, None, rule, handler, f"identity:{key}")


LIMITS = [
    _row("GET", "/registered_limits", limits.list_registered, "list_registered_limits"),
    _row("POST", "/registered_limits", limits.create_registered, "create_registered_limits"),
    _row("GET", _REGISTERED, limits.show_registered, "get_registered_limit"),
    _row("PATCH", _REGISTERED, limits.update_registered, "update_registered_limit"),
    _row("DELETE", _REGISTERED, limits.delete_registered, "delete_registered_limit"),
    _row("GET", "/limits/model", limits.show_model, "get_limit_model"),
    _row("GET", "/limits", limits.list_limits, "list_limits"),
    _row("POST", "/limits", limits.create, "create_limits"),
    _row("GET", _LIMIT, limits.show, "get_limit"),
    _row("PATCH", _LIMIT, limits.update, "update_limit"),
    _row("DELETE", _LIMIT, limits.delete, "delete_limit"),
]
