"""/endpoints of the catalogue."""

from __future__ import annotations

from api.identity import listing
from api.identity.operations import catalog as operations
from api.identity.schemas.catalog import CREATE_ENDPOINT, UPDATE_ENDPOINT
from api.identity.views import catalog as views
from api.request import ApiRequest, Reply
from api.schema import validate


def list_endpoints(request: ApiRequest) -> Reply:
    filters = listing.text_filters(request, "id", "interface", "service_id", "region_id")
    rows = operations.list_endpoints(request.services, filters, listing.page_of(request))
    return listing.listed(request, "endpoints", rows, views.endpoint, lambda row: row.id)


def show(request: ApiRequest, endpoint_id: str) -> Reply:
    row = operations.show_endpoint(request.services, endpoint_id)
    return Reply({"endpoint": views.endpoint(row, request.base_url)})


def create(request: ApiRequest) -> Reply:
    validate(request.body, CREATE_ENDPOINT)
    row = operations.create_endpoint(request.services, request.body["endpoint"])
    return Reply({"endpoint": views.endpoint(row, request.base_url)}, 201)


def update(request: ApiRequest, endpoint_id: str) -> Reply:
    validate(request.body, UPDATE_ENDPOINT)
    row = operations.update_endpoint(request.services, endpoint_id, request.body["endpoint"])
    return Reply({"endpoint": views.endpoint(row, request.base_url)})


def delete(request: ApiRequest, endpoint_id: str) -> Reply:
    operations.delete_endpoint(request.services, endpoint_id)
    return Reply(status=204)
