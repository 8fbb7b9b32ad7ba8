"""/OS-EP-FILTER."""

from __future__ import annotations

from collections.abc import Iterable

from api.identity import listing
from api.identity.operations import endpoint_filter as operations
from api.identity.schemas.catalog import CREATE_ENDPOINT_GROUP, UPDATE_ENDPOINT_GROUP
from api.identity.views import catalog as catalog_views
from api.identity.views import endpoint_filter as views
from api.identity.views import projects as project_views
from api.request import ApiRequest, Reply
from api.schema import validate
from common.db.models import Endpoint, Project


def list_groups(request: ApiRequest) -> Reply:
    filters = listing.text_filters(request, "name")
    rows = operations.list_groups(request.services, filters, listing.page_of(request))
    return listing.listed(request, "endpoint_groups", rows, views.endpoint_group, lambda row: row.id)


def create(request: ApiRequest) -> Reply:
    validate(request.body, CREATE_ENDPOINT_GROUP)
    row = operations.create(request.services, request.body["endpoint_group"])
    return Reply({"endpoint_group": views.endpoint_group(row, request.base_url)}, 201)


def show(request: ApiRequest, endpoint_group_id: str) -> Reply:
    return Reply(
        {"endpoint_group": views.endpoint_group(operations.show(request.services, endpoint_group_id), request.base_url)}
    )


def update(request: ApiRequest, endpoint_group_id: str) -> Reply:
    validate(request.body, UPDATE_ENDPOINT_GROUP)
    row = operations.update(request.services, endpoint_group_id, request.body["endpoint_group"])
    return Reply({"endpoint_group": views.endpoint_group(row, request.base_url)})


def delete(request: ApiRequest, endpoint_group_id: str) -> Reply:
    operations.delete(request.services, endpoint_group_id)
    return Reply(status=204)


def endpoints_of_group(request: ApiRequest, endpoint_group_id: str) -> Reply:
    return _endpoints(request, operations.endpoints_of_group(request.services, endpoint_group_id))


def projects_of_group(request: ApiRequest, endpoint_group_id: str) -> Reply:
    return _projects(request, operations.projects_of_group(request.services, endpoint_group_id))


def show_association(request: ApiRequest, endpoint_group_id: str, project_id: str) -> Reply:
    row = operations.show_association(request.services, endpoint_group_id, project_id)
    return Reply({"project_endpoint_group": views.association(row, listing.self_url(request))})


def associate(request: ApiRequest, endpoint_group_id: str, project_id: str) -> Reply:
    operations.associate(request.services, endpoint_group_id, project_id)
    return Reply(status=204)


def dissociate(request: ApiRequest, endpoint_group_id: str, project_id: str) -> Reply:
    operations.dissociate(request.services, endpoint_group_id, project_id)
    return Reply(status=204)


def projects_of_endpoint(request: ApiRequest, endpoint_id: str) -> Reply:
    return _projects(request, operations.projects_of_endpoint(request.services, endpoint_id))


def endpoints_of_project(request: ApiRequest, project_id: str) -> Reply:
    return _endpoints(request, operations.endpoints_of_project(request.services, project_id))


def groups_of_project(request: ApiRequest, project_id: str) -> Reply:
    rows = operations.groups_of_project(request.services, project_id)
    return listing.collection(request, "endpoint_groups", (views.endpoint_group(row, request.base_url) for row in rows))


def check_endpoint(request: ApiRequest, project_id: str, endpoint_id: str) -> Reply:
    operations.check_endpoint(request.services, project_id, endpoint_id)
    return Reply(status=204)


def add_endpoint(request: ApiRequest, project_id: str, endpoint_id: str) -> Reply:
    operations.add_endpoint(request.services, project_id, endpoint_id)
    return Reply(status=204)


def remove_endpoint(request: ApiRequest, project_id: str, endpoint_id: str) -> Reply:
    operations.remove_endpoint(request.services, project_id, endpoint_id)
    return Reply(status=204)


def _endpoints(request: ApiRequest, rows: Iterable[Endpoint]) -> Reply:
    return listing.collection(request, "endpoints", (catalog_views.endpoint(row, request.base_url) for row in rows))


def _projects(request: ApiRequest, rows: Iterable[Project]) -> Reply:
    return listing.collection(request, "projects", (project_views.project(row, request.base_url) for row in rows))
