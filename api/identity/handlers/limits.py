"""/registered_limits and /limits."""

from __future__ import annotations

from api.identity import listing
from api.identity.operations import limits as operations
from api.identity.schemas.limits import CREATE, CREATE_REGISTERED, UPDATE, UPDATE_REGISTERED
from api.identity.views import limits as views
from api.request import ApiRequest, Reply
from api.schema import validate


def list_registered(request: ApiRequest) -> Reply:
    filters = listing.text_filters(request, "service_id", "region_id", "resource_name")
    rows = operations.list_registered(request.services, filters, listing.page_of(request))
    return listing.listed(request, "registered_limits", rows, views.registered, lambda row: row.id)


def show_registered(request: ApiRequest, registered_limit_id: str) -> Reply:
    row = operations.show_registered(request.services, registered_limit_id)
    return Reply({"registered_limit": views.registered(row, request.base_url)})


def create_registered(request: ApiRequest) -> Reply:
    validate(request.body, CREATE_REGISTERED)
    rows = operations.create_registered(request.services, request.body["registered_limits"])
    return Reply({"registered_limits": [views.registered(row, request.base_url) for row in rows]}, 201)


def update_registered(request: ApiRequest, registered_limit_id: str) -> Reply:
    validate(request.body, UPDATE_REGISTERED)
    row = operations.update_registered(request.services, registered_limit_id, request.body["registered_limit"])
    return Reply({"registered_limit": views.registered(row, request.base_url)})


def delete_registered(request: ApiRequest, registered_limit_id: str) -> Reply:
    operations.delete_registered(request.services, registered_limit_id)
    return Reply(status=204)


def list_limits(request: ApiRequest) -> Reply:
    filters = listing.text_filters(request, "service_id", "region_id", "resource_name", "project_id", "domain_id")
    rows = operations.list_limits(request.services, request.context, filters, listing.page_of(request))
    return listing.listed(request, "limits", rows, views.limit, lambda row: row[0].id)


def show(request: ApiRequest, limit_id: str) -> Reply:
    return Reply({"limit": views.limit(operations.show(request.services, request.context, limit_id), request.base_url)})


def show_model(_request: ApiRequest) -> Reply:
    return Reply({"model": views.MODEL})


def create(request: ApiRequest) -> Reply:
    validate(request.body, CREATE)
    rows = operations.create(request.services, request.body["limits"])
    return Reply({"limits": [views.limit(row, request.base_url) for row in rows]}, 201)


def update(request: ApiRequest, limit_id: str) -> Reply:
    validate(request.body, UPDATE)
    return Reply(
        {"limit": views.limit(operations.update(request.services, limit_id, request.body["limit"]), request.base_url)}
    )


def delete(request: ApiRequest, limit_id: str) -> Reply:
    operations.delete(request.services, limit_id)
    return Reply(status=204)
