"""The actions rescue and unrescue."""

from __future__ import annotations

import secrets

from api.compute.handlers.server_create import PASSWORD_BYTES
from api.compute.operations import server_rescue
from api.compute.schemas import servers as schemas
from api.microversion import Microversion
from api.request import ApiRequest, Reply
from api.schema import validate


def rescue(request: ApiRequest, server_id: str) -> Reply:
    """The answer bears a password as Nova's does; like a new server's, nothing sets it in the guest."""
    validate(request.body, schemas.RESCUE)
    asked = request.body["rescue"] or {}
    stable = request.version >= Microversion(2, 87)
    server_rescue.rescue(request.services, request.context, server_id, asked.get("rescue_image_ref"), on_volumes=stable)
    if not request.services.config.api.instance_password:
        return Reply({})
    return Reply({"adminPass": asked.get("adminPass") or secrets.token_urlsafe(PASSWORD_BYTES)})


def unrescue(request: ApiRequest, server_id: str) -> Reply:
    validate(request.body, schemas.UNRESCUE)
    server_rescue.unrescue(request.services, request.context, server_id)
    return Reply(status=202)
