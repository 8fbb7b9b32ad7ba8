"""Attachments, 3.27 and later: lists, create, show, update, complete, delete."""

from __future__ import annotations

from typing import Any

from api.microversion import Microversion
from api.request import ApiRequest, Reply
from api.schema import validate
from api.volume import query
from api.volume.operations import attachments
from api.volume.schemas import volume_actions as schemas
from api.volume.views import attachments as views
from common.db.models import VolumeAttachment
from common.errors import InvalidRequest

_EQUALS = {"volume_id": "volume_id", "status": "status", "instance_id": "instance_id", "attach_status": "status"}


def list_summary(request: ApiRequest) -> Reply:
    found = _found(request)
    return _listed(request, found, views.summary_list(found))


def list_detail(request: ApiRequest) -> Reply:
    found = _found(request)
    return _listed(request, found, views.detail_list(found))


def _found(request: ApiRequest) -> list[VolumeAttachment]:
    equals = {column: query.text(request, name) for name, column in _EQUALS.items() if name in request.query}
    everybody = request.context.is_admin and query.boolean(request, "all_tenants")
    return attachments.list_page(request.services, request.context, equals, query.page(request), everybody=everybody)


def _listed(request: ApiRequest, found: list[VolumeAttachment], bodies: list[dict[str, Any]]) -> Reply:
    return Reply({"attachments": bodies, **query.next_link(request, "attachments", [row.id for row in found])})


def show(request: ApiRequest, attachment_id: str) -> Reply:
    return Reply({"attachment": views.show(attachments.show(request.services, request.context, attachment_id))})


def create(request: ApiRequest) -> Reply:
    newer = request.version >= Microversion(3, 54)
    validate(request.body, schemas.ATTACHMENT_CREATE_354 if newer else schemas.ATTACHMENT_CREATE)
    given = request.body["attachment"]
    connector = given.get("connector")
    mode = given.get("mode") or (connector or {}).get("mode") or "rw"
    if mode not in ("rw", "ro"):
        raise InvalidRequest(f"Invalid input received: Invalid attachment mode {str(mode)[:20]!r}.")
    made = attachments.create(
        request.services, request.context, given["volume_uuid"], given.get("instance_uuid") or None, connector, mode
    )
    return Reply({"attachment": views.show(made)})


def update(request: ApiRequest, attachment_id: str) -> Reply:
    validate(request.body, schemas.ATTACHMENT_UPDATE)
    connector = request.body["attachment"]["connector"]
    return Reply(
        {"attachment": views.show(attachments.connect(request.services, request.context, attachment_id, connector))}
    )


def complete(request: ApiRequest, attachment_id: str) -> Reply:
    attachments.complete(request.services, request.context, attachment_id)
    return Reply(status=204)


def delete(request: ApiRequest, attachment_id: str) -> Reply:
    left = attachments.delete(request.services, request.context, attachment_id)
    return Reply({"attachments": views.summary_list(left)})
