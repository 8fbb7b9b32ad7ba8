"""/projects."""

from __future__ import annotations

from api.identity import listing
from api.identity.operations import projects as operations
from api.identity.schemas.projects import CREATE, UPDATE
from api.identity.views import projects as views
from api.request import ApiRequest, Reply
from api.schema import validate


def list_projects(request: ApiRequest) -> Reply:
    if listing.flag(request, "is_domain"):
        return listing.collection(request, "projects", [])  # domains are no projects here
    filters = listing.text_filters(request, "id", "name", "domain_id", "parent_id") | listing.enabled_filter(request)
    rows = operations.list_projects(request.services, filters, listing.page_of(request))
    return listing.listed(request, "projects", rows, views.project, lambda row: row.id)


def show(request: ApiRequest, project_id: str) -> Reply:
    row = operations.show(request.services, request.context, project_id)
    return Reply({"project": views.project(row, request.base_url)})


def create(request: ApiRequest) -> Reply:
    validate(request.body, CREATE)
    row = operations.create(request.services, request.context, request.body["project"])
    return Reply({"project": views.project(row, request.base_url)}, 201)


def update(request: ApiRequest, project_id: str) -> Reply:
    validate(request.body, UPDATE)
    row = operations.update(request.services, project_id, request.body["project"])
    return Reply({"project": views.project(row, request.base_url)})


def delete(request: ApiRequest, project_id: str) -> Reply:
    operations.delete(request.services, project_id)
    return Reply(status=204)
