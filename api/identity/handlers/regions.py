"""/regions of the catalogue."""

from __future__ import annotations

from api.identity import listing
from api.identity.bodies import check_immutable
from api.identity.operations import catalog as operations
from api.identity.schemas.catalog import CREATE_REGION, UPDATE_REGION
from api.identity.views import catalog as views
from api.request import ApiRequest, Reply
from api.schema import validate


def list_regions(request: ApiRequest) -> Reply:
    filters = listing.text_filters(request, "parent_region_id")
    rows = operations.list_regions(request.services, filters, listing.page_of(request))
    return listing.listed(request, "regions", rows, views.region, lambda row: row.id)


def show(request: ApiRequest, region_id: str) -> Reply:
    row = operations.show_region(request.services, region_id)
    return Reply({"region": views.region(row, request.base_url)})


def create(request: ApiRequest) -> Reply:
    validate(request.body, CREATE_REGION)
    row = operations.create_region(request.services, request.body["region"])
    return Reply({"region": views.region(row, request.base_url)}, 201)


def update(request: ApiRequest, region_id: str) -> Reply:
    validate(request.body, UPDATE_REGION)
    row = operations.update_region(request.services, region_id, request.body["region"])
    return Reply({"region": views.region(row, request.base_url)})


def delete(request: ApiRequest, region_id: str) -> Reply:
    operations.delete_region(request.services, region_id)
    return Reply(status=204)


def create_named(request: ApiRequest, region_id: str) -> Reply:
    """PUT /regions/{id}: the id is in the path; one in the body must be the same."""
    validate(request.body, CREATE_REGION)
    given = check_immutable(request.body["region"], {"id": region_id})
    row = operations.create_region(request.services, {**given, "id": region_id})
    return Reply({"region": views.region(row, request.base_url)}, 201)
