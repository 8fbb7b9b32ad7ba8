"""The actions shelve, shelveOffload and unshelve."""

from __future__ import annotations

from api.compute.operations import server_actions, server_images, server_shelf
from api.compute.operations.server_shelf import Place
from api.compute.schemas import servers as schemas
from api.microversion import Microversion
from api.request import ApiRequest, Reply
from api.schema import Schema, validate
from common.errors import Forbidden
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
    validate(request.body, _unshelve_schema(request.version))
    said = request.version >= Microversion(2, 77)  # before, nothing is read from it
    asked = (request.body["unshelve"] if said else None) or {}
    host = asked.get("host")
    if host is not None and not request.context.is_admin:
        raise Forbidden("Policy doesn't allow os_compute_api:os-shelve:unshelve_to_host to be performed.")
    zone = asked.get("availability_zone")
    place = Place(zone=zone, host=host, unpin="availability_zone" in asked and zone is None)
    server_shelf.unshelve(request.services, request.context, server_id, place)
    return Reply(status=202)


def _unshelve_schema(version: Microversion) -> Schema:
    if version >= Microversion(2, 91):
        return schemas.UNSHELVE_291
    return schemas.UNSHELVE_277 if version >= Microversion(2, 77) else schemas.UNSHELVE
