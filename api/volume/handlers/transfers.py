"""/os-volume-transfer, and /volume-transfers since 3.55."""

from __future__ import annotations

from api.compute.views.fields import reader
from api.microversion import Microversion
from api.request import ApiRequest, Reply
from api.schema import as_boolean, validate
from api.volume import query
from api.volume.operations import transfers as operations
from api.volume.schemas import records as schemas
from api.volume.views import records as views
from common.db.models import VolumeTransfer


def list_summary(request: ApiRequest) -> Reply:
    audience = reader(request)
    return Reply({"transfers": [views.transfer_summary(row, audience) for row in _found(request)]})


def list_detail(request: ApiRequest) -> Reply:
    audience = reader(request)
    return Reply({"transfers": [views.transfer(row, audience) for row in _found(request)]})


def _found(request: ApiRequest) -> list[VolumeTransfer]:
    context = request.context
    everybody = context.is_admin and query.boolean(request, "all_tenants")
    return operations.list_page(
        request.services, None if everybody else context.project_id or "", query.text(request, "name"),
        query.page(request),
    )  # fmt: skip


def show(request: ApiRequest, transfer_id: str) -> Reply:
    found = operations.show(request.services, request.context, transfer_id)
    return Reply({"transfer": views.transfer(found, reader(request))})


def create(request: ApiRequest) -> Reply:
    newer = request.version >= Microversion(3, 55)
    validate(request.body, schemas.TRANSFER_CREATE_355 if newer else schemas.TRANSFER_CREATE)
    asked = request.body["transfer"]
    name = asked.get("name")
    made, key = operations.create(
        request.services, request.context, asked["volume_id"], name.strip() if name else name,
        no_snapshots=as_boolean(asked.get("no_snapshots", False)),
    )  # fmt: skip
    return Reply({"transfer": {**views.transfer(made, reader(request)), "auth_key": key}}, 202)


def delete(request: ApiRequest, transfer_id: str) -> Reply:
    operations.delete(request.services, request.context, transfer_id)
    return Reply(status=202)


def accept(request: ApiRequest, transfer_id: str) -> Reply:
    validate(request.body, schemas.TRANSFER_ACCEPT)
    accepted = operations.accept(request.services, request.context, transfer_id, request.body["accept"]["auth_key"])
    return Reply({"transfer": views.transfer_summary(accepted, reader(request))}, 202)
