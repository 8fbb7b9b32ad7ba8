"""/group_snapshots (3.14); reset status since 3.19, filters and pages since 3.29."""

from __future__ import annotations

from typing import Any

from api.request import ApiRequest, Reply
from api.schema import validate
from api.volume import query
from api.volume.handlers.groups import asked_status
from api.volume.operations import group_snapshots as operations
from api.volume.schemas import volume_groups as schemas
from api.volume.views import volume_groups as views
from common.db.models import VolumeGroupSnapshot

_FILTERS = ("name", "status", "group_id")


def list_summary(request: ApiRequest) -> Reply:
    found = _found(request)
    return _listed(request, found, [views.summary(row) for row in found])


def list_detail(request: ApiRequest) -> Reply:
    found = _found(request)
    return _listed(request, found, [views.snapshot(row) for row in found])


def _found(request: ApiRequest) -> list[VolumeGroupSnapshot]:
    context = request.context
    everybody = context.is_admin and query.boolean(request, "all_tenants")
    equals = {name: query.text(request, name) for name in _FILTERS if name in request.query}
    return operations.list_page(
        request.services, None if everybody else context.project_id or "", equals, query.page(request)
    )


def _listed(request: ApiRequest, found: list[VolumeGroupSnapshot], bodies: list[dict[str, Any]]) -> Reply:
    more = query.next_link(request, "group_snapshots", [row.id for row in found])
    return Reply(
        {"group_snapshots": bodies, **({"group_snapshot_links": more["group_snapshots_links"]} if more else {})}
    )


def show(request: ApiRequest, group_snapshot_id: str) -> Reply:
    return Reply(
        {"group_snapshot": views.snapshot(operations.show(request.services, request.context, group_snapshot_id))}
    )


def create(request: ApiRequest) -> Reply:
    validate(request.body, schemas.SNAPSHOT_CREATE)
    asked = request.body["group_snapshot"]
    made = operations.create(
        request.services, request.context, asked["group_id"], asked.get("name"), asked.get("description")
    )
    return Reply({"group_snapshot": views.snapshot_made(made)}, 202)


def delete(request: ApiRequest, group_snapshot_id: str) -> Reply:
    operations.delete(request.services, request.context, group_snapshot_id)
    return Reply(status=202)


def reset_status(request: ApiRequest, group_snapshot_id: str) -> Reply:
    operations.reset_status(request.services, request.context, group_snapshot_id, asked_status(request))
    return Reply(status=202)
