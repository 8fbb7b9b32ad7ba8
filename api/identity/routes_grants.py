"""The rows of role assignments: the same four calls for users and groups, on projects, domains and the system."""

from __future__ import annotations

from api.identity.handlers import assignments
from api.policy import Rule
from api.routing import Route

_ACTORS = (("users/<user_id>", "user"), ("groups/<group_id>", "group"))
_TARGETS = ("/projects/<project_id>", "/domains/<domain_id>")


def _rows(roles: str, rest: str, keys: tuple[str, str, str, str], read: Rule, write: Rule) -> list[Route]:
    """roles: the path of the collection. keys: of list, create, check and revoke."""
    one = f"{roles}/<role_id>{rest}"
    rows = (
        ("GET", f"{roles}{rest}", read, assignments.list_roles, keys[0]),
        ("PUT", one, write, assignments.grant, keys[1]),
        ("GET", one, read, assignments.check, keys[2]),
        ("DELETE", one, write, assignments.revoke, keys[3]),
    )
    return [
        Route(method, path, None, None, None, rule, handler, f"identity:{key}")
        for method, path, rule, handler, key in rows
    ]


_KEYS = ("list_grants", "create_grant", "check_grant", "revoke_grant")
_INHERITED = "/inherited_to_projects"


def _system_keys(kind: str) -> tuple[str, str, str, str]:
    return (
        f"list_system_grants_for_{kind}",
        f"create_system_grant_for_{kind}",
        f"check_system_grant_for_{kind}",
        f"revoke_system_grant_for_{kind}",
    )


GRANTS = [
    Route(
        "GET",
        "/role_assignments",
        None,
        None,
        None,
        Rule.DOMAIN_READER,
        assignments.list_assignments,
        "identity:list_role_assignments",
    ),
    *(
        row
        for target in _TARGETS
        for actor, _kind in _ACTORS
        for row in (
            *_rows(f"{target}/{actor}/roles", "", _KEYS, Rule.DOMAIN_READER, Rule.DOMAIN_MANAGER),
            *_rows(f"/OS-INHERIT{target}/{actor}/roles", _INHERITED, _KEYS, Rule.DOMAIN_READER, Rule.DOMAIN_MANAGER),
        )
    ),
    *(
        row
        for actor, kind in _ACTORS
        for row in _rows(f"/system/{actor}/roles", "", _system_keys(kind), Rule.CLOUD_READER, Rule.CLOUD_ADMIN)
    ),
]
