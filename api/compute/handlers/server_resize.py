"""The actions resize, confirmResize, revertResize and migrate, and those that move servers and are not offered."""

from __future__ import annotations

from api.compute.operations import server_resize
from api.compute.schemas import server_moves
from api.compute.schemas import servers as schemas
from api.microversion import Microversion
from api.request import ApiRequest, Reply
from api.schema import validate
from common.errors import Forbidden
from common.states import Action


def resize(request: ApiRequest, server_id: str) -> Reply:
    validate(request.body, schemas.RESIZE)
    asked = request.body["resize"]
    flavor_id = str(asked["flavorRef"]).rstrip("/").rsplit("/", 1)[-1]
    server_resize.resize(request.services, request.context, server_id, flavor_id, asked.get("OS-DCF:diskConfig"))
    return Reply(status=202)


def confirm(request: ApiRequest, server_id: str) -> Reply:
    validate(request.body, schemas.CONFIRM_RESIZE)
    server_resize.end(request.services, request.context, server_id, Action.CONFIRM_RESIZE)
    return Reply(status=204)


def revert(request: ApiRequest, server_id: str) -> Reply:
    validate(request.body, schemas.REVERT_RESIZE)
    server_resize.end(request.services, request.context, server_id, Action.REVERT_RESIZE)
    return Reply(status=202)


def migrate(request: ApiRequest, server_id: str) -> Reply:
    hosted = request.version >= Microversion(2, 56)
    validate(request.body, schemas.MIGRATE_256 if hosted else schemas.MIGRATE)
    host = (request.body["migrate"] or {}).get("host")
    _may_name(request, host, "migrate")
    server_resize.migrate(request.services, request.context, server_id, host)
    return Reply(status=202)


def migrate_live(request: ApiRequest, server_id: str) -> Reply:
    validate(request.body, server_moves.migrate_live(request.version))
    _may_name(request, request.body["os-migrateLive"]["host"], "migrate_live")
    server_resize.refuse_live_migration(request.services, request.context, server_id)
    return Reply(status=202)


def _may_name(request: ApiRequest, host: str | None, verb: str) -> None:
    """A project's manager moves its servers, an administrator says where to. Raises Forbidden."""
    if host is not None and not request.context.is_admin:
        raise Forbidden(f"Policy doesn't allow os_compute_api:os-migrate-server:{verb}:host to be performed.")


def evacuate(request: ApiRequest, server_id: str) -> Reply:
    validate(request.body, server_moves.evacuate(request.version))
    host = request.body["evacuate"].get("host")
    server_resize.refuse_evacuation(request.services, request.context, server_id, host)
    return Reply(status=202)
