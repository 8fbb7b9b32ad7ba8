"""/users."""

from __future__ import annotations

from api.identity import listing
from api.identity.bodies import validate_secret
from api.identity.operations import users as operations
from api.identity.schemas.users import CHANGE_PASSWORD, CREATE, UPDATE
from api.identity.views import projects as project_views
from api.identity.views import users as views
from api.request import ApiRequest, Reply
from common.secret import Secret


def list_users(request: ApiRequest) -> Reply:
    filters = listing.name_filters(request) | listing.text_filters(request, "id", "domain_id")
    filters |= listing.enabled_filter(request)
    rows = operations.list_users(request.services, request.context, filters, listing.page_of(request))
    return listing.listed(request, "users", rows, views.user, lambda row: row.id)


def show(request: ApiRequest, user_id: str) -> Reply:
    row = operations.show(request.services, request.context, user_id)
    return Reply({"user": views.user(row, request.base_url)})


def create(request: ApiRequest) -> Reply:
    validate_secret(request.body, CREATE)
    row = operations.create(request.services, request.context, request.body["user"])
    return Reply({"user": views.user(row, request.base_url)}, 201)


def update(request: ApiRequest, user_id: str) -> Reply:
    validate_secret(request.body, UPDATE)
    row = operations.update(request.services, request.context, user_id, request.body["user"])
    return Reply({"user": views.user(row, request.base_url)})


def delete(request: ApiRequest, user_id: str) -> Reply:
    operations.delete(request.services, request.context, user_id)
    return Reply(status=204)


def change_password(request: ApiRequest, user_id: str) -> Reply:
    validate_secret(request.body, CHANGE_PASSWORD)
    given = request.body["user"]
    operations.change_own_password(
        request.services, request.context, user_id, Secret(given["original_password"]), Secret(given["password"])
    )
    return Reply(status=204)


def list_projects(request: ApiRequest, user_id: str) -> Reply:
    filters = listing.name_filters(request) | listing.enabled_filter(request)
    rows = operations.list_projects_of(request.services, request.context, user_id, filters, listing.page_of(request))
    return listing.listed(request, "projects", rows, project_views.project, lambda row: row.id)
