"""The actions shelve, shelveOffload and unshelve."""

from __future__ import annotations

from api.compute.operations import server_actions, server_images, server_shelf
from api.compute.schemas import servers as schemas
from api.microversion import Microversion
from api.request import ApiRequest, Reply
from api.schema import validate
from common.states import Action


def shelve(request: ApiRequest, server_id: str) -> Reply:
    validate(request.body, schemas.SHELVE)
    server_images.shelve(request.services, request.context, server_id)
    return Reply(status=202)


def shelve_offload(request: ApiRequest, server_id: str) -> Reply:
    validate(request.body, schemas.SHELVE_OFFLOAD)
    server_actions.begin(request.services, request.context, server_id, Action.SHELVE_OFFLOAD)
    return Reply(status=202)


def unshelve(request: ApiRequest, server_id: str) -> Reply:
    zoned = request.version >= Microversion(2, 77)
    validate(request.body, schemas.UNSHELVE_277 if zoned else schemas.UNSHELVE)
    zone = (request.body["unshelve"] or {}).get("availability_zone")
    server_shelf.unshelve(request.services, request.context, server_id, zone)
    return Reply(status=202)
