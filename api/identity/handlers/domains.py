"""/domains."""

from __future__ import annotations

from api.identity import listing
from api.identity.operations import domains as operations
from api.identity.schemas.domains import CREATE, UPDATE
from api.identity.views import domains as views
from api.request import ApiRequest, Reply
from api.schema import validate


def list_domains(request: ApiRequest) -> Reply:
    filters = listing.name_filters(request) | listing.text_filters(request, "id") | listing.enabled_filter(request)
    rows = operations.list_domains(request.services, request.context, filters, listing.page_of(request))
    return listing.listed(request, "domains", rows, views.domain, lambda row: row.id)


def show(request: ApiRequest, domain_id: str) -> Reply:
    row = operations.show(request.services, request.context, domain_id)
    return Reply({"domain": views.domain(row, request.base_url)})


def create(request: ApiRequest) -> Reply:
    validate(request.body, CREATE)
    row = operations.create(request.services, request.body["domain"])
    return Reply({"domain": views.domain(row, request.base_url)}, 201)


def update(request: ApiRequest, domain_id: str) -> Reply:
    validate(request.body, UPDATE)
    row = operations.update(request.services, domain_id, request.body["domain"])
    return Reply({"domain": views.domain(row, request.base_url)})


def delete(request: ApiRequest, domain_id: str) -> Reply:
    operations.delete(request.services, domain_id)
    return Reply(status=204)
