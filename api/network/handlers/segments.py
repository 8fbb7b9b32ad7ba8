"""/segments, for administrators: they are listed and named, and come and go with their networks."""

from __future__ import annotations

from typing import Any

from api.network import listing
from api.network.operations import segments as operations
from api.network.resource import parse_update
from api.network.schemas.segments import SEGMENT
from api.network.views.times import shown
from api.request import ApiRequest, Reply
from common.db.network_segments import COLUMNS, Segment


def index(request: ApiRequest) -> Reply:
    asked = listing.parse(request, COLUMNS)
    found = operations.list_(request, asked.filters, asked.page)
    return listing.reply(request, asked, SEGMENT.plural, [_view(item) for item in found])


def show(request: ApiRequest, segment_id: str) -> Reply:
    return listing.single(request, SEGMENT.singular, _view(operations.show(request, segment_id)))


def update(request: ApiRequest, segment_id: str) -> Reply:
    changed = operations.update(request, segment_id, parse_update(request, SEGMENT))
    return listing.single(request, SEGMENT.singular, _view(changed))


def _view(item: Segment) -> dict[str, Any]:
    network, named = item.network, item.named
    return {
        "id": network.id,
        "network_id": network.id,
        "name": named.name if named else "",
        "description": named.description if named else "",
        "network_type": network.network_type,
        "physical_network": network.physical_network,
        "segmentation_id": network.segmentation_id if network.network_type == "vxlan" else network.vlan_id or None,
        "created_at": shown(network.created_at),
        "updated_at": shown(named.updated_at if named else network.created_at),
        "revision_number": named.revision_number if named else 0,
    }
