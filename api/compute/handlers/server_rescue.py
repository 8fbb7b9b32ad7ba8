"""The actions rescue and unrescue."""

from __future__ import annotations

from api.compute.handlers.server_create import new_password
from api.compute.operations import server_rescue
from api.compute.schemas import servers as schemas
from api.microversion import Microversion
from api.request import ApiRequest, Reply
from api.schema import validate


def rescue(request: ApiRequest, server_id: str) -> Reply:
    """The answer bears a password as Nova's does; a server with a config drive is told it there."""
    validate(request.body, schemas.RESCUE)
    asked = request.body["rescue"] or {}
    stable = request.version >= Microversion(2, 87)
    password = new_password(asked)
    image_id = asked.get("rescue_image_ref")
    server_rescue.rescue(request.services, request.context, server_id, image_id, password, on_volumes=stable)
    if not request.services.config.api.instance_password:
        return Reply({})
    return Reply({"adminPass": password.reveal()})


def unrescue(request: ApiRequest, server_id: str) -> Reply:
    validate(request.body, schemas.UNRESCUE)
    server_rescue.unrescue(request.services, request.context, server_id)
    return Reply(status=202)
