"""Role assignments as the Identity API shows them."""

from __future__ import annotations

from typing import Any

from common.db.assignment_lists import Listed
from common.db.tokens import Named


def assignment(row: Listed, base_url: str, *, names: bool) -> dict[str, Any]:
    role = _named(row.role, names)
    if names and row.role_domain is not None:
        role["domain"] = _named(row.role_domain, True)
    links = {"assignment": base_url + _path(row)}
    if row.made_for[0] == "group" and row.user is not None:
        links["membership"] = f"{base_url}/groups/{row.made_for[1]}/users/{row.user.id}"
    if row.prior_role_id != row.role.id:
        links["prior_role"] = f"{base_url}/prior_role/{row.prior_role_id}/implies/{row.role.id}"
    kind, actor = ("user", row.user) if row.user is not None else ("group", row.group)
    return {
        "role": role,
        **({kind: _in_domain(actor, row.actor_domain, names)} if actor is not None else {}),
        "scope": _scope(row, names),
        "links": links,
    }


def _scope(row: Listed, names: bool) -> dict[str, Any]:
    inherited = {"OS-INHERIT:inherited_to": "projects"} if row.inherited else {}
    if row.project is not None and row.project_domain is not None:
        shown = {"project": _in_domain(row.project, row.project_domain, names)}
        return {**shown, **inherited} if row.made_on == ("project", row.project.id) else shown
    if row.domain is None:
        return {"system": {"all": True}}
    return {"domain": _named(row.domain, names), **inherited}


def _path(row: Listed) -> str:
    """Where the assignment was made."""
    (kind, target_id), (actor_kind, actor_id) = row.made_on, row.made_for
    actor = f"{actor_kind}s/{actor_id}/roles/{row.prior_role_id}"
    if kind == "system":
        return f"/system/{actor}"
    if row.inherited:
        return f"/OS-INHERIT/{kind}s/{target_id}/{actor}/inherited_to_projects"
    return f"/{kind}s/{target_id}/{actor}"


def _named(item: Named, names: bool) -> dict[str, Any]:
    return {"id": item.id, "name": item.name} if names else {"id": item.id}


def _in_domain(item: Named, domain: Named, names: bool) -> dict[str, Any]:
    return {**_named(item, names), "domain": _named(domain, True)} if names else _named(item, names)
