"""Volumes of a server: lists, show, attach, update, detach."""

from __future__ import annotations

from api.compute import query
from api.compute.operations import server_volumes
from api.compute.operations.server_volumes import NewAttachment
from api.compute.schemas import volume_attachments as schemas
from api.compute.views import volume_attachments as views
from api.compute.views.fields import reader
from api.microversion import Microversion
from api.request import ApiRequest, Reply
from api.schema import as_boolean, validate
from common.errors import InvalidRequest


def list_all(request: ApiRequest, server_id: str) -> Reply:
    found = server_volumes.list_all(request.services, request.context, server_id)
    start = query.number(request, "offset", 0)
    page = found[start : start + query.page(request).limit]
    return Reply({"volumeAttachments": views.show_all(page, reader(request))})


def show(request: ApiRequest, server_id: str, volume_id: str) -> Reply:
    found = server_volumes.show(request.services, request.context, server_id, volume_id)
    return Reply({"volumeAttachment": views.show(found, reader(request))})


def attach(request: ApiRequest, server_id: str) -> Reply:
    validate(request.body, schemas.attach(request.version))
    given = request.body["volumeAttachment"]
    wanted = NewAttachment(
        volume_id=given["volumeId"], device=given.get("device"), tag=given.get("tag"),
        delete_on_termination=as_boolean(given.get("delete_on_termination", False)),
        multiattach=request.version >= Microversion(2, 60),
    )  # fmt: skip
    made = server_volumes.attach(request.services, request.context, server_id, wanted)
    return Reply({"volumeAttachment": views.show(made, reader(request))})


def update(request: ApiRequest, server_id: str, volume_id: str) -> Reply:
    """What becomes of the volume with its server. Another volume in its place is what the block storage service alone asks
    for, of a volume that it migrates; here an attached one never migrates.
    """
    validate(request.body, schemas.update(request.version))
    given = request.body["volumeAttachment"]
    if given["volumeId"] != volume_id:
        server_volumes.refuse_swap(request.services, request.context, server_id, volume_id)
    if request.version < Microversion(2, 85) or "delete_on_termination" not in given:
        raise InvalidRequest("Nothing to change: since 2.85 delete_on_termination can be.")
    wanted = as_boolean(given["delete_on_termination"])
    server_volumes.set_delete_on_termination(request.services, request.context, server_id, volume_id, wanted)
    return Reply(status=202)


def detach(request: ApiRequest, server_id: str, volume_id: str) -> Reply:
    server_volumes.detach(request.services, request.context, server_id, volume_id)
    return Reply(status=202)
