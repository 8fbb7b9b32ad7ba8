"""/roles."""

from __future__ import annotations

from api.identity import listing
from api.identity.operations import roles as operations
from api.identity.schemas.roles import CREATE, UPDATE
from api.identity.views import roles as views
from api.request import ApiRequest, Reply
from api.schema import validate


def list_roles(request: ApiRequest) -> Reply:
    filters = listing.text_filters(request, "id", "name", "domain_id")
    rows = operations.list_roles(request.services, filters, listing.page_of(request))
    return listing.listed(request, "roles", rows, views.role, lambda row: row.id)


def show(request: ApiRequest, role_id: str) -> Reply:
    return Reply({"role": views.role(operations.show(request.services, role_id), request.base_url)})


def create(request: ApiRequest) -> Reply:
    validate(request.body, CREATE)
    row = operations.create(request.services, request.body["role"])
    return Reply({"role": views.role(row, request.base_url)}, 201)


def update(request: ApiRequest, role_id: str) -> Reply:
    validate(request.body, UPDATE)
    row = operations.update(request.services, role_id, request.body["role"])
    return Reply({"role": views.role(row, request.base_url)})


def delete(request: ApiRequest, role_id: str) -> Reply:
    operations.delete(request.services, role_id)
    return Reply(status=204)
