"""/services of the catalogue."""

from __future__ import annotations

from api.identity import listing
from api.identity.operations import catalog as operations
from api.identity.schemas.catalog import CREATE_SERVICE, UPDATE_SERVICE
from api.identity.views import catalog as views
from api.request import ApiRequest, Reply
from api.schema import validate


def list_services(request: ApiRequest) -> Reply:
    filters = listing.text_filters(request, "id", "type", "name")
    rows = operations.list_services(request.services, filters, listing.page_of(request))
    return listing.listed(request, "services", rows, views.service, lambda row: row.id)


def show(request: ApiRequest, service_id: str) -> Reply:
    row = operations.show_service(request.services, service_id)
    return Reply({"service": views.service(row, request.base_url)})


def create(request: ApiRequest) -> Reply:
    validate(request.body, CREATE_SERVICE)
    row = operations.create_service(request.services, request.body["service"])
    return Reply({"service": views.service(row, request.base_url)}, 201)


def update(request: ApiRequest, service_id: str) -> Reply:
    validate(request.body, UPDATE_SERVICE)
    row = operations.update_service(request.services, service_id, request.body["service"])
    return Reply({"service": views.service(row, request.base_url)})


def delete(request: ApiRequest, service_id: str) -> Reply:
    operations.delete_service(request.services, service_id)
    return Reply(status=204)
