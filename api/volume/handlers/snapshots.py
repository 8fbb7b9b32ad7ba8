"""Snapshots: lists, create, show, update, delete, actions and metadata."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from api.compute.views.fields import reader
from api.microversion import Microversion
from api.request import ApiRequest, Reply
from api.schema import as_boolean, validate
from api.volume import query
from api.volume.operations import snapshots
from api.volume.schemas import snapshots as schemas
from api.volume.schemas.volumes import META_BODY, METADATA_BODY
from api.volume.views import snapshots as views
from common.db.models import VolumeSnapshot
from common.db.volume_snapshots import SnapshotFilter
from common.errors import InvalidRequest, NotFound

_EQUALS = {
    "status": "status", "volume_id": "volume_id", "name": "name", "display_name": "name", "id": "id",
    "user_id": "user_id", "description": "description", "group_snapshot_id": "group_snapshot_id",
}  # fmt: skip


def list_summary(request: ApiRequest) -> Reply:
    found = snapshots.list_page(request.services, _filter(request), query.page(request))
    return _listed(request, found, views.summary_list(found, reader(request)))


def list_detail(request: ApiRequest) -> Reply:
    found = snapshots.list_page(request.services, _filter(request), query.page(request))
    return _listed(request, found, views.detail_list(found, reader(request)))


def _listed(request: ApiRequest, found: Sequence[VolumeSnapshot], bodies: list[dict[str, Any]]) -> Reply:
    body: dict[str, Any] = {"snapshots": bodies, **query.next_link(request, "snapshots", [row.id for row in found])}
    if request.version >= Microversion(3, 45) and query.boolean(request, "with_count"):
        body["count"] = snapshots.count(request.services, _filter(request))
    return Reply(body)


def _filter(request: ApiRequest) -> SnapshotFilter:
    context = request.context
    everybody = context.is_admin and query.boolean(request, "all_tenants")
    named = query.text(request, "project_id") if everybody else None
    equals: dict[str, Any] = {
        column: query.text(request, name) for name, column in _EQUALS.items() if name in request.query
    }
    return SnapshotFilter(
        project_id=named if everybody else (context.project_id or ""),
        equals=equals,
        name_like=query.text(request, "name~"),
        properties=query.pairs(request, "metadata"),
    )


def create(request: ApiRequest) -> Reply:
    validate(request.body, schemas.CREATE)
    given = request.body["snapshot"]
    newer = request.version >= Microversion(3, 66)  # from then on a volume in use needs no force
    forced = as_boolean(given.get("force") or False)
    if newer and "force" in given and not forced:
        raise InvalidRequest("Invalid input received: Invalid value 'false' for 'force' since 3.66.")
    made = snapshots.create(
        request.services, request.context, given["volume_id"] or "",
        name=_either(given, "name", "display_name"), description=_either(given, "description", "display_description"),
        properties=given.get("metadata") or {}, forced=forced or newer,
    )  # fmt: skip
    return Reply({"snapshot": views.summary(made, reader(request))}, 202)


def _either(given: Mapping[str, Any], name: str, older: str) -> str | None:
    value = given.get(name, given.get(older))
    return None if value is None else str(value).strip()


def show(request: ApiRequest, snapshot_id: str) -> Reply:
    found = snapshots.show(request.services, request.context, snapshot_id)
    return Reply({"snapshot": views.show(found, reader(request))})


def update(request: ApiRequest, snapshot_id: str) -> Reply:
    validate(request.body, schemas.UPDATE)
    given = request.body["snapshot"]

    def change(snapshot: VolumeSnapshot) -> None:
        if {"name", "display_name"} & given.keys():
            snapshot.name = _either(given, "name", "display_name")
        if {"description", "display_description"} & given.keys():
            snapshot.description = _either(given, "description", "display_description")

    found = snapshots.edit(request.services, request.context, snapshot_id, change)
    return Reply({"snapshot": views.summary(found, reader(request))})


def delete(request: ApiRequest, snapshot_id: str) -> Reply:
    snapshots.delete(request.services, request.context, snapshot_id)
    return Reply(status=202)


def force_delete(request: ApiRequest, snapshot_id: str) -> Reply:
    snapshots.delete(request.services, request.context, snapshot_id, forced=True)
    return Reply(status=202)


def reset_status(request: ApiRequest, snapshot_id: str) -> Reply:
    validate(request.body, schemas.RESET_STATUS)
    status = request.body["os-reset_status"]["status"]
    snapshots.reset_status(request.services, request.context, snapshot_id, status)
    return Reply(status=202)


def update_status(request: ApiRequest, snapshot_id: str) -> Reply:
    validate(request.body, schemas.UPDATE_STATUS)
    given = request.body["os-update_snapshot_status"]
    progress = int(given["progress"].rstrip("%")) if "progress" in given else None
    if progress is not None and progress > 100:
        raise InvalidRequest("Invalid input received: progress must be an integer percentage.")
    snapshots.update_status(request.services, request.context, snapshot_id, given["status"], progress)
    return Reply(status=202)


def show_metadata(request: ApiRequest, snapshot_id: str) -> Reply:
    return Reply({"metadata": snapshots.show(request.services, request.context, snapshot_id).properties})


def merge_metadata(request: ApiRequest, snapshot_id: str) -> Reply:
    validate(request.body, METADATA_BODY)
    return _written(request, snapshot_id, lambda old: {**old, **request.body["metadata"]})


def replace_metadata(request: ApiRequest, snapshot_id: str) -> Reply:
    validate(request.body, METADATA_BODY)
    return _written(request, snapshot_id, lambda _old: dict(request.body["metadata"]))


def show_item(request: ApiRequest, snapshot_id: str, key: str) -> Reply:
    return Reply({"meta": {key: snapshots.property_of(request.services, request.context, snapshot_id, key)}})


def put_item(request: ApiRequest, snapshot_id: str, key: str) -> Reply:
    validate(request.body, META_BODY)
    meta = request.body["meta"]
    if key not in meta:
        raise InvalidRequest("Request body and URI mismatch: the body must name the key of the path.")
    _written(request, snapshot_id, lambda old: {**old, **meta})
    return Reply({"meta": meta})


def delete_item(request: ApiRequest, snapshot_id: str, key: str) -> Reply:
    def without(old: Mapping[str, Any]) -> dict[str, Any]:
        if key not in old:
            raise NotFound(f"Snapshot {snapshot_id} has no metadata with key {key[:80]}.")
        return {name: value for name, value in old.items() if name != key}

    _written(request, snapshot_id, without)
    return Reply(status=200)


def _written(request: ApiRequest, snapshot_id: str, change: Callable[[Mapping[str, Any]], dict[str, Any]]) -> Reply:
    def work(snapshot: VolumeSnapshot) -> None:
        snapshot.properties = change(snapshot.properties)

    found = snapshots.edit(request.services, request.context, snapshot_id, work)
    return Reply({"metadata": found.properties})
