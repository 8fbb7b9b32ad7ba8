"""/network_segment_ranges, for administrators."""

from __future__ import annotations

from api.network import listing, short_lists
from api.network.operations import segment_ranges as operations
from api.network.resource import parse_create, parse_update
from api.network.schemas.segment_ranges import SEGMENT_RANGE
from api.network.views.segment_ranges import segment_range
from api.request import ApiRequest, Reply

NAMES = (SEGMENT_RANGE.singular, SEGMENT_RANGE.plural)
FILTERS = (
    "id", "name", "description", "default", "shared", "project_id", "network_type", "physical_network", "minimum",
    "maximum", "revision_number", "created_at", "updated_at",
)  # fmt: skip


def create(request: ApiRequest) -> Reply:
    bodies, bulk = parse_create(request, SEGMENT_RANGE)
    return listing.made(request, NAMES, [segment_range(item) for item in operations.create(request, bodies)], bulk)


def index(request: ApiRequest) -> Reply:
    items = [segment_range(item) for item in operations.list_(request)]
    return short_lists.reply(request, FILTERS, SEGMENT_RANGE.plural, items)


def show(request: ApiRequest, segment_range_id: str) -> Reply:
    found = operations.show(request, segment_range_id)
    return listing.single(request, SEGMENT_RANGE.singular, segment_range(found))


def update(request: ApiRequest, segment_range_id: str) -> Reply:
    changed = operations.update(request, segment_range_id, parse_update(request, SEGMENT_RANGE))
    return listing.single(request, SEGMENT_RANGE.singular, segment_range(changed))


def delete(request: ApiRequest, segment_range_id: str) -> Reply:
    operations.delete(request, segment_range_id)
    return Reply(status=204)
