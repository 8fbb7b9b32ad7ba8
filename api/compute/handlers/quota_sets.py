"""Quota sets, the default class, and limits."""

from __future__ import annotations

from typing import Any

from api.compute import query
from api.compute.operations import quota_sets
from api.compute.schemas import quota_sets as schemas
from api.compute.views import quota_sets as views
from api.request import ApiRequest, Reply
from api.schema import as_boolean, validate
from common.errors import InvalidRequest


def show(request: ApiRequest, project_id: str) -> Reply:
    quota_sets.check_own(request.context, project_id, "os-quota-sets:show")
    found = quota_sets.show(request.services, project_id, _user(request))
    return Reply({"quota_set": views.plain(found, request.version)})


def detail(request: ApiRequest, project_id: str) -> Reply:
    quota_sets.check_own(request.context, project_id, "os-quota-sets:detail")
    found = quota_sets.show(request.services, project_id, _user(request))
    return Reply({"quota_set": views.detail(found, request.version)})


def default_set(request: ApiRequest, project_id: str) -> Reply:
    return Reply({"quota_set": views.plain(quota_sets.default_set(request.services, project_id), request.version)})


def update(request: ApiRequest, project_id: str) -> Reply:
    validate(request.body, schemas.update(request.version))
    asked = request.body["quota_set"]
    limits = _numbers(asked)
    force = as_boolean(asked.get("force", False))
    changed = quota_sets.update(request.services, project_id, limits, force=force, user_id=_user(request))
    return Reply({"quota_set": views.plain(changed, request.version, with_id=False)})


def delete(request: ApiRequest, project_id: str) -> Reply:
    quota_sets.reset(request.services, project_id, _user(request))
    return Reply(status=202)


def _user(request: ApiRequest) -> str:
    """Whose limits within the project are meant; "": the project's own."""
    return query.text(request, "user_id") or ""


def show_class(request: ApiRequest, class_name: str) -> Reply:
    found = quota_sets.default_set(request.services, class_name)
    return Reply({"quota_class_set": views.quota_class(found, request.version)})


def update_class(request: ApiRequest, class_name: str) -> Reply:
    validate(request.body, schemas.update_class(request.version))
    limits = _numbers(request.body["quota_class_set"])
    changed = quota_sets.update_class(request.services, class_name, limits)
    return Reply({"quota_class_set": views.quota_class(changed, request.version, with_id=False)})


def _numbers(asked: dict[str, Any]) -> dict[str, int]:
    limits = {key: int(value) for key, value in asked.items() if key not in ("force", "tenant_id")}
    if any(limit < -1 or limit > 2**31 - 1 for limit in limits.values()):
        raise InvalidRequest("Quota limit must be -1 or greater.")
    return limits


def limits(request: ApiRequest) -> Reply:
    project_id = query.text(request, "tenant_id") or request.context.project_id or ""
    quota_sets.check_own(request.context, project_id, "limits:other_project")
    return Reply(views.absolute(quota_sets.show(request.services, project_id), request.version))
