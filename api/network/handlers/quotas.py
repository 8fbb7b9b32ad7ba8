"""/quotas."""

from __future__ import annotations

from typing import Any

from api.network.operations import quotas as operations
from api.network.resource import as_boolean
from api.network.schemas.quotas import QUOTA
from api.request import ApiRequest, Reply
from api.schema import validate


def index(request: ApiRequest) -> Reply:
    found = operations.list_(request)
    return Reply({"quotas": [_quota(limits, project_id) for project_id, limits in found.items()]})


def own_project(request: ApiRequest) -> Reply:
    return Reply({"tenant": {"tenant_id": request.context.project_id, "project_id": request.context.project_id}})


def show(request: ApiRequest, project_id: str) -> Reply:
    return Reply({"quota": operations.show(request, project_id)})


def default(request: ApiRequest, project_id: str) -> Reply:  # noqa: ARG001 - the defaults are the same for all
    return Reply({"quota": operations.defaults(request)})


def details(request: ApiRequest, project_id: str) -> Reply:
    return Reply({"quota": operations.details(request, project_id)})


def update(request: ApiRequest, project_id: str) -> Reply:
    validate(request.body, QUOTA)
    asked = dict(request.body["quota"])
    asked_force = as_boolean(asked.pop("force", False))
    check = as_boolean(asked.pop("check_limit", False)) and not asked_force
    limits = {name: int(value) for name, value in asked.items()}
    return Reply({"quota": operations.update(request, project_id, limits, check_limit=check)})


def delete(request: ApiRequest, project_id: str) -> Reply:
    operations.delete(request, project_id)
    return Reply(status=204)


def _quota(limits: dict[str, int], project_id: str) -> dict[str, Any]:
    return {**limits, "project_id": project_id, "tenant_id": project_id}
