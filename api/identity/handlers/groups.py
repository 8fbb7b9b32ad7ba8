"""/groups, and who is in which."""

from __future__ import annotations

from api.identity import listing
from api.identity.operations import groups as operations
from api.identity.schemas.groups import CREATE, UPDATE
from api.identity.views import groups as views
from api.identity.views import users as user_views
from api.request import ApiRequest, Reply
from api.schema import validate


def list_groups(request: ApiRequest) -> Reply:
    filters = listing.name_filters(request) | listing.text_filters(request, "id", "domain_id")
    rows = operations.list_groups(request.services, request.context, filters, listing.page_of(request))
    return listing.listed(request, "groups", rows, views.group, lambda row: row.id)


def list_of_user(request: ApiRequest, user_id: str) -> Reply:
    filters = listing.name_filters(request)
    rows = operations.list_of_user(request.services, request.context, user_id, filters, listing.page_of(request))
    return listing.listed(request, "groups", rows, views.group, lambda row: row.id)


def show(request: ApiRequest, group_id: str) -> Reply:
    return Reply({"group": views.group(operations.show(request.services, request.context, group_id), request.base_url)})


def create(request: ApiRequest) -> Reply:
    validate(request.body, CREATE)
    row = operations.create(request.services, request.context, request.body["group"])
    return Reply({"group": views.group(row, request.base_url)}, 201)


def update(request: ApiRequest, group_id: str) -> Reply:
    validate(request.body, UPDATE)
    row = operations.update(request.services, request.context, group_id, request.body["group"])
    return Reply({"group": views.group(row, request.base_url)})


def delete(request: ApiRequest, group_id: str) -> Reply:
    operations.delete(request.services, request.context, group_id)
    return Reply(status=204)


def list_users(request: ApiRequest, group_id: str) -> Reply:
    filters = listing.name_filters(request) | listing.text_filters(request, "domain_id")
    filters |= listing.enabled_filter(request)
    rows = operations.list_users(request.services, request.context, group_id, filters, listing.page_of(request))
    return listing.listed(request, "users", rows, user_views.user, lambda row: row.id)


def check_user(request: ApiRequest, group_id: str, user_id: str) -> Reply:
    operations.check_user(request.services, request.context, group_id, user_id)
    return Reply(status=204)


def add_user(request: ApiRequest, group_id: str, user_id: str) -> Reply:
    operations.add_user(request.services, request.context, group_id, user_id)
    return Reply(status=204)


def remove_user(request: ApiRequest, group_id: str, user_id: str) -> Reply:
    operations.remove_user(request.services, request.context, group_id, user_id)
    return Reply(status=204)
