"""Addresses of a server through compute's own actions, until 2.43."""

from __future__ import annotations

from api.compute.operations import server_addresses
from api.compute.schemas import servers as schemas
from api.request import ApiRequest, Reply
from api.schema import validate


def add_fixed(request: ApiRequest, server_id: str) -> Reply:
    validate(request.body, schemas.ADD_FIXED_IP)
    server_addresses.add_fixed(request, server_id, request.body["addFixedIp"]["networkId"])
    return Reply(status=202)


def remove_fixed(request: ApiRequest, server_id: str) -> Reply:
    validate(request.body, schemas.REMOVE_FIXED_IP)
    server_addresses.remove_fixed(request, server_id, request.body["removeFixedIp"]["address"])
    return Reply(status=202)


def add_floating(request: ApiRequest, server_id: str) -> Reply:
    validate(request.body, schemas.ADD_FLOATING_IP)
    asked = request.body["addFloatingIp"]
    server_addresses.add_floating(request, server_id, asked["address"], asked.get("fixed_address"))
    return Reply(status=202)


def remove_floating(request: ApiRequest, server_id: str) -> Reply:
    validate(request.body, schemas.REMOVE_FLOATING_IP)
    server_addresses.remove_floating(request, server_id, request.body["removeFloatingIp"]["address"])
    return Reply(status=202)
