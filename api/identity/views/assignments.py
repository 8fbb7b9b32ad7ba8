"""Role assignments as the Identity API shows them."""

from __future__ import annotations

from typing import Any

from common.db.assignments import Listed
from common.db.tokens import Named


def assignment(row: Listed, base_url: str, *, names: bool) -> dict[str, Any]:
    role = _named(row.role, names)
    if names and row.role_domain_id:
        role["domain"] = {"id": row.role_domain_id}
    return {
        "role": role,
        "user": _in_domain(row.user, row.user_domain, names),
        "scope": _scope(row, names),
        "links": {"assignment": base_url + _path(row)},
    }


def _scope(row: Listed, names: bool) -> dict[str, Any]:
    if row.project is not None and row.project_domain is not None:
        return {"project": _in_domain(row.project, row.project_domain, names)}
    if row.domain is None:
        return {"system": {"all": True}}
    scope: dict[str, Any] = {"domain": _named(row.domain, names)}
    return {**scope, "OS-INHERIT:inherited_to": "projects"} if row.inherited else scope


def _path(row: Listed) -> str:
    """Where the assignment was made; for an inherited one that is its domain."""
    actor = f"users/{row.user.id}/roles/{row.role.id}"
    if row.inherited:
        return f"/OS-INHERIT/domains/{row.made_on_domain_id}/{actor}/inherited_to_projects"
    if row.project is not None:
        return f"/projects/{row.project.id}/{actor}"
    return f"/domains/{row.domain.id}/{actor}" if row.domain is not None else f"/system/{actor}"


def _named(item: Named, names: bool) -> dict[str, Any]:
    return {"id": item.id, "name": item.name} if names else {"id": item.id}


def _in_domain(item: Named, domain: Named, names: bool) -> dict[str, Any]:
    return {**_named(item, names), "domain": _named(domain, True)} if names else _named(item, names)
