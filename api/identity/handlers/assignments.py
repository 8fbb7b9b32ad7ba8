"""Roles of users and groups on projects, domains (also inherited below them) and the system, and the list of all."""

from __future__ import annotations

from api.identity import listing
from api.identity.operations import assignments as operations
from api.identity.views import assignments as views
from api.identity.views import roles as role_views
from api.request import ApiRequest, Reply
from common.db.assignment_lists import Filters
from common.db.assignments import Actor, Target
from common.db.tokens import SYSTEM_TARGET


def list_assignments(request: ApiRequest) -> Reply:
    filters = Filters(
        user_id=request.arg("user.id"),
        group_id=request.arg("group.id"),
        role_id=request.arg("role.id"),
        project_id=request.arg("scope.project.id"),
        domain_id=request.arg("scope.domain.id"),
        system=request.arg("scope.system") is not None,
        inherited=True if request.arg("scope.OS-INHERIT:inherited_to") is not None else None,
        effective=listing.flag(request, "effective"),
        below=listing.flag(request, "include_subtree"),
    )
    rows = operations.list_assignments(request.services, request.context, filters)
    names = listing.flag(request, "include_names")
    shown = (views.assignment(row, request.base_url, names=names) for row in rows)
    return listing.collection(request, "role_assignments", shown)


def grant(request: ApiRequest, role_id: str, **where: str) -> Reply:
    operations.grant(request.services, request.context, _actor(where), role_id, _target(request, where))
    return Reply(status=204)


def check(request: ApiRequest, role_id: str, **where: str) -> Reply:
    operations.check(request.services, request.context, _actor(where), role_id, _target(request, where))
    return Reply(status=204)


def revoke(request: ApiRequest, role_id: str, **where: str) -> Reply:
    operations.revoke(request.services, request.context, _actor(where), role_id, _target(request, where))
    return Reply(status=204)


def list_roles(request: ApiRequest, **where: str) -> Reply:
    rows = operations.roles_on(request.services, request.context, _actor(where), _target(request, where))
    return listing.collection(request, "roles", (role_views.role(row, request.base_url) for row in rows))


def _actor(path_args: dict[str, str]) -> Actor:
    if "group_id" in path_args:
        return Actor("group", path_args["group_id"])
    return Actor("user", path_args["user_id"])


def _target(request: ApiRequest, path_args: dict[str, str]) -> Target:
    inherited = request.path.startswith(f"{listing.PREFIX}/OS-INHERIT/")
    if "project_id" in path_args:
        return Target("project", path_args["project_id"], inherited)
    if "domain_id" in path_args:
        return Target("domain", path_args["domain_id"], inherited)
    return Target("system", SYSTEM_TARGET)
