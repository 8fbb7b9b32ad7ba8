"""The rows of stored policies and of what follows them."""

from __future__ import annotations

from api.identity.handlers import policies
from api.policy import Rule
from api.routing import Handler, Route

_POLICY = "/policies/<policy_id>"
_TARGETS = (
    ("endpoints/<endpoint_id>", "endpoint"),
    ("services/<service_id>", "service"),
    ("services/<service_id>/regions/<region_id>", "region_and_service"),
)


def _row(method: str, path: str, handler: Handler, key: str) -> Route:
    rule = Rule.CLOUD_READER if method == "GET" else Rule.CLOUD_ADMIN
    return Route(method, path, None, None, None, rule, handler, f"identity:{key}")


POLICIES = [
    _row("GET", "/policies", policies.list_policies, "list_policies"),
    _row("POST", "/policies", policies.create, "create_policy"),
    _row("GET", _POLICY, policies.show, "get_policy"),
    _row("PATCH", _POLICY, policies.update, "update_policy"),
    _row("DELETE", _POLICY, policies.delete, "delete_policy"),
    _row("GET", f"{_POLICY}/OS-ENDPOINT-POLICY/endpoints", policies.list_endpoints, "list_endpoints_for_policy"),
    _row("GET", "/endpoints/<endpoint_id>/OS-ENDPOINT-POLICY/policy", policies.policy_of, "get_policy_for_endpoint"),
    *(
        _row(method, f"{_POLICY}/OS-ENDPOINT-POLICY/{path}", handler, f"{verb}_policy_association_for_{kind}")
        for path, kind in _TARGETS
        for method, verb, handler in (
            ("PUT", "create", policies.associate),
            ("GET", "check", policies.check),
            ("DELETE", "delete", policies.dissociate),
        )
    ),
]
