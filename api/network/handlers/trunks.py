"""/trunks."""

from __future__ import annotations

from typing import Any

from api.network import listing
from api.network.operations import trunks as operations
from api.network.operations.trunks import ShownTrunk
from api.network.resource import parse_create, parse_update
from api.network.schemas.trunks import SUBPORTS, TRUNK
from api.network.views.sharing import owned, standard
from api.request import ApiRequest, Reply
from api.schema import validate
from common.db.models import Subport
from common.db.network_tags import FILTERS
from common.db.trunks import COLUMNS

NAMES = (TRUNK.singular, TRUNK.plural)


def create(request: ApiRequest) -> Reply:
    bodies, bulk = parse_create(request, TRUNK)
    return listing.made(request, NAMES, [_view(item) for item in operations.create(request, bodies)], bulk)


def index(request: ApiRequest) -> Reply:
    asked = listing.parse(request, {*COLUMNS, *FILTERS})
    found = operations.list_(request, asked.filters, asked.page)
    return listing.reply(request, asked, TRUNK.plural, [_view(item) for item in found])


def show(request: ApiRequest, trunk_id: str) -> Reply:
    return listing.single(request, TRUNK.singular, _view(operations.show(request, trunk_id)))


def update(request: ApiRequest, trunk_id: str) -> Reply:
    return listing.single(
        request, TRUNK.singular, _view(operations.update(request, trunk_id, parse_update(request, TRUNK)))
    )


def delete(request: ApiRequest, trunk_id: str) -> Reply:
    operations.delete(request, trunk_id)
    return Reply(status=204)


def subports(request: ApiRequest, trunk_id: str) -> Reply:
    return Reply({"sub_ports": [_subport(row) for row in operations.show(request, trunk_id).carried]})


def add_subports(request: ApiRequest, trunk_id: str) -> Reply:
    validate(request.body, SUBPORTS)
    return _bare(request, operations.add_subports(request, trunk_id, request.body["sub_ports"]))


def remove_subports(request: ApiRequest, trunk_id: str) -> Reply:
    validate(request.body, SUBPORTS)
    return _bare(request, operations.remove_subports(request, trunk_id, request.body["sub_ports"]))


def _bare(request: ApiRequest, item: ShownTrunk) -> Reply:
    """These two answer with the trunk alone, without its name around it."""
    wrapped = listing.single(request, TRUNK.singular, _view(item)).body
    return Reply(wrapped[TRUNK.singular])


def _view(item: ShownTrunk) -> dict[str, Any]:
    row = item.trunk
    return {
        **owned(row),
        "name": row.name,
        "description": row.description,
        "port_id": row.port_id,
        "admin_state_up": row.admin_state_up,
        "status": row.status,
        "sub_ports": [_subport(each) for each in item.carried],
        **standard(row),
    }


def _subport(row: Subport) -> dict[str, Any]:
    return {
        "port_id": row.port_id,
        "segmentation_type": row.segmentation_type,
        "segmentation_id": row.segmentation_id,
    }
