"""Roles of users on projects, domains (also inherited by their projects) and the system, and the list of all."""

from __future__ import annotations

from api.identity import listing
from api.identity.operations import assignments as operations
from api.identity.views import assignments as views
from api.identity.views import roles as role_views
from api.request import ApiRequest, Reply
from common.db.assignments import Filters, Target
from common.db.tokens import SYSTEM_TARGET


def list_assignments(request: ApiRequest) -> Reply:
    if request.arg("group.id") is not None:
        return listing.collection(request, "role_assignments", [])  # there are no groups
    filters = Filters(
        user_id=request.arg("user.id"),
        project_id=request.arg("scope.project.id"),
        domain_id=request.arg("scope.domain.id"),
        system=request.arg("scope.system") is not None,
        inherited=True if request.arg("scope.OS-INHERIT:inherited_to") is not None else None,
        effective=listing.flag(request, "effective"),
    )
    rows = operations.list_assignments(request.services, filters, request.arg("role.id"))
    names = listing.flag(request, "include_names")
    shown = (views.assignment(row, request.base_url, names=names) for row in rows)
    return listing.collection(request, "role_assignments", shown)


def grant(request: ApiRequest, user_id: str, role_id: str, **target: str) -> Reply:
    operations.grant(request.services, user_id, role_id, _target(request, target))
    return Reply(status=204)


def check(request: ApiRequest, user_id: str, role_id: str, **target: str) -> Reply:
    operations.check(request.services, user_id, role_id, _target(request, target))
    return Reply(status=204)


def revoke(request: ApiRequest, user_id: str, role_id: str, **target: str) -> Reply:
    operations.revoke(request.services, user_id, role_id, _target(request, target))
    return Reply(status=204)


def list_roles(request: ApiRequest, user_id: str, **target: str) -> Reply:
    rows = operations.roles_on(request.services, user_id, _target(request, target))
    return listing.collection(request, "roles", (role_views.role(row, request.base_url) for row in rows))


def _target(request: ApiRequest, path_args: dict[str, str]) -> Target:
    inherited = request.path.startswith(f"{listing.PREFIX}/OS-INHERIT/")
    if "project_id" in path_args:
        return Target("project", path_args["project_id"])
    if "domain_id" in path_args:
        return Target("domain", path_args["domain_id"], inherited)
    return Target("system", SYSTEM_TARGET)
