"""The action rebuild."""

from __future__ import annotations

from typing import Any

from api.compute.handlers.server_create import address, new_password, user_data
from api.compute.operations import injected_files, server_rebuild
from api.compute.operations.server_rebuild import Rebuild
from api.compute.schemas import servers as schemas
from api.compute.views import servers as views
from api.compute.views.fields import reader
from api.microversion import Microversion
from api.request import ApiRequest, Reply
from api.schema import as_boolean, validate
from common.errors import InvalidRequest

_COLUMNS = {
    "name": "name", "hostname": "hostname", "description": "description", "metadata": "properties",
    "OS-DCF:diskConfig": "disk_config",
}  # fmt: skip


def rebuild(request: ApiRequest, server_id: str) -> Reply:
    validate(request.body, schemas.rebuild(request.version))
    wanted = _read(request)
    found = server_rebuild.rebuild(request.services, request.context, server_id, wanted)
    location = f"{request.base_url}/servers/{server_id}"
    body = views.rebuilt(found, reader(request))
    if request.services.config.api.instance_password:
        body["adminPass"] = wanted.admin_password.reveal()
    return Reply({"server": body}, 202, {"Location": location})


def _read(request: ApiRequest) -> Rebuild:
    body: dict[str, Any] = request.body["rebuild"]
    if body.get("trusted_image_certificates"):
        raise InvalidRequest("Image signature certificates are not supported.")
    changes = {column: body[key] for key, column in _COLUMNS.items() if key in body}
    for key, column, version in (("accessIPv4", "access_ip_v4", 4), ("accessIPv6", "access_ip_v6", 6)):
        if key in body:
            changes[column] = address(body, key, version)
    if "personality" in body:
        changes["injected_files"] = injected_files.read(body["personality"])
    if "user_data" in body:
        changes["user_data"] = user_data(body["user_data"])
    return Rebuild(
        image_id=body["imageRef"],
        admin_password=new_password(body),
        changes=changes,
        key=(body["key_name"],) if "key_name" in body else None,
        keep_ephemeral=as_boolean(body.get("preserve_ephemeral", False)),
        reimage=request.version >= Microversion(2, 93),
    )
