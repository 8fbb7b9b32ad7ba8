"""/os-quota-sets, /os-quota-class-sets and /limits."""

from __future__ import annotations

from typing import Any

from api.request import ApiRequest, Reply
from api.schema import validate
from api.volume import query
from api.volume.operations import quota_sets as operations
from api.volume.schemas import records as schemas
from api.volume.views import quota_sets as views
from common.errors import InvalidRequest


def show(request: ApiRequest, project_id: str) -> Reply:
    operations.check_own(request.context, project_id)
    found = operations.show(request.services, project_id)
    return Reply({"quota_set": views.with_usage(found) if query.boolean(request, "usage") else views.plain(found)})


def default_set(request: ApiRequest, project_id: str) -> Reply:
    return Reply({"quota_set": views.plain(operations.default_set(request.services, project_id))})


def update(request: ApiRequest, project_id: str) -> Reply:
    validate(request.body, schemas.QUOTA)
    limits = _numbers(request.body["quota_set"], ("tenant_id", "force"))
    return Reply({"quota_set": views.plain(operations.update(request.services, project_id, limits), with_id=False)})


def delete(request: ApiRequest, project_id: str) -> Reply:
    operations.reset(request.services, project_id)
    return Reply()


def show_class(request: ApiRequest, class_name: str) -> Reply:
    return Reply({"quota_class_set": views.plain(operations.default_set(request.services, class_name))})


def update_class(request: ApiRequest, class_name: str) -> Reply:
    validate(request.body, schemas.QUOTA_CLASS)
    limits = _numbers(request.body["quota_class_set"], ("class_name",))
    changed = operations.update_class(request.services, class_name, limits)
    return Reply({"quota_class_set": views.plain(changed, with_id=False)})


def limits(request: ApiRequest) -> Reply:
    """Of the caller's project; administrators may name another (3.39)."""
    asked = query.text(request, "project_id") if request.context.is_admin else None
    return Reply(views.absolute(operations.show(request.services, asked or request.context.project_id or "")))


def _numbers(asked: dict[str, Any], others: tuple[str, ...]) -> dict[str, int]:
    found = {key: int(value) for key, value in asked.items() if key not in others}
    if not found:
        raise InvalidRequest("Invalid input for field/attribute body: it names no resource.")
    if any(limit < -1 or limit > 2**31 - 1 for limit in found.values()):
        raise InvalidRequest("Quota limit must be -1 or greater.")
    return found
