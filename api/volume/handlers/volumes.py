"""Volumes: lists, create, show, update, delete."""

from __future__ import annotations

from typing import Any

from api.compute.views.fields import reader
from api.microversion import Microversion
from api.request import ApiRequest, Reply
from api.schema import Schema, as_boolean, validate
from api.volume import query
from api.volume.operations import volume_create, volumes
from api.volume.operations.volume_create import NewVolume
from api.volume.schemas import volumes as schemas
from api.volume.views import volumes as views
from common.db.models import Volume
from common.db.volumes import TIME_OPERATORS, VolumeFilter

_EQUALS = {
    "status": "status", "availability_zone": "availability_zone", "user_id": "user_id", "group_id": "group_id",
    "volume_type_id": "volume_type_id", "id": "id", "migration_status": "migration_status",
    "display_name": "name", "name": "name", "description": "description", "display_description": "description",
    "image_id": "image_id", "snapshot_id": "snapshot_id", "source_volid": "source_volume_id",
}  # fmt: skip


def list_summary(request: ApiRequest) -> Reply:
    found = volumes.list_page(request.services, _filter(request), query.page(request))
    return _listed(request, found, views.summary_list(found, reader(request)))


def list_detail(request: ApiRequest) -> Reply:
    found = volumes.list_page(request.services, _filter(request), query.page(request))
    return _listed(request, found, views.detail_list(found, reader(request)))


def _listed(request: ApiRequest, found: volumes.VolumePage, bodies: list[dict[str, Any]]) -> Reply:
    body = {"volumes": bodies, **query.next_link(request, "volumes", [row.id for row in found.volumes])}
    if request.version >= Microversion(3, 45) and query.boolean(request, "with_count"):
        body["count"] = volumes.count(request.services, _filter(request))
    return Reply(body)


def summary(request: ApiRequest) -> Reply:
    count, gib, metadata = volumes.totals(request.services, _filter(request))
    body: dict[str, Any] = {"total_count": count, "total_size": gib}
    if request.version >= Microversion.parse(schemas.SUMMARY_METADATA_SINCE):
        merged: dict[str, set[str]] = {}
        for each in metadata:
            for key, value in each.items():
                merged.setdefault(key, set()).add(value)
        body["metadata"] = {key: sorted(values) for key, values in merged.items()}
    return Reply({"volume-summary": body})


def _filter(request: ApiRequest) -> VolumeFilter:
    context = request.context
    everybody = context.is_admin and query.boolean(request, "all_tenants")
    named = query.text(request, "project_id") if everybody else None
    equals: dict[str, Any] = {
        column: query.text(request, name) for name, column in _EQUALS.items() if name in request.query
    }
    for name in ("bootable", "multiattach"):
        if name in request.query:
            equals[name] = query.boolean(request, name)
    if (size := query.number(request, "size")) is not None:
        equals["size_gib"] = min(size, 2**31 - 1)
    return VolumeFilter(
        project_id=named if everybody else (context.project_id or ""),
        equals=equals,
        name_like=query.text(request, "name~"),
        description_like=query.text(request, "description~"),
        properties=query.pairs(request, "metadata"),
        glance=query.pairs(request, "glance_metadata"),
        attach_status=query.text(request, "attach_status"),
        created=query.times(request, "created_at", TIME_OPERATORS),
        updated=query.times(request, "updated_at", TIME_OPERATORS),
    )


def create(request: ApiRequest) -> Reply:
    validate(request.body, _create_schema(request.version))
    given = request.body["volume"]
    hints = request.body.get("OS-SCH-HNT:scheduler_hints") or request.body.get("os:scheduler_hints") or {}
    found = volume_create.create(request.services, request.context, _wanted(request, given, hints))
    return Reply({"volume": views.made(found, reader(request))}, 202)


def _create_schema(version: Microversion) -> Schema:
    if version >= Microversion(3, 47):
        return schemas.CREATE_347
    return schemas.CREATE_313 if version >= Microversion(3, 13) else schemas.CREATE


def _wanted(request: ApiRequest, given: dict[str, Any], hints: dict[str, Any]) -> NewVolume:
    size = given.get("size")
    return NewVolume(
        name=_either(given, "name", "display_name"),
        description=_either(given, "description", "display_description"),
        size_gib=None if size is None else int(size),
        availability_zone=given.get("availability_zone") or None,
        volume_type=given.get("volume_type") or None,
        image_id=given.get("imageRef") or given.get("image_id") or None,
        images_of_servers=request.version >= Microversion(3, 46),
        snapshot_id=given.get("snapshot_id") or None,
        source_volume_id=given.get("source_volid") or None,
        backup_id=given.get("backup_id") or None,
        group_id=given.get("group_id") or None,
        properties=given.get("metadata") or {},
        multiattach=as_boolean(given.get("multiattach", False)),
        hints=hints,
    )


def _either(given: dict[str, Any], name: str, older: str) -> str | None:
    value = given.get(name, given.get(older))
    return None if value is None else str(value).strip()


def show(request: ApiRequest, volume_id: str) -> Reply:
    return Reply({"volume": views.show(volumes.show(request.services, request.context, volume_id), reader(request))})


def update(request: ApiRequest, volume_id: str) -> Reply:
    validate(request.body, schemas.UPDATE)
    given = request.body["volume"]

    def change(_session: object, volume: Volume) -> None:
        if {"name", "display_name"} & given.keys():
            volume.name = _either(given, "name", "display_name")
        if {"description", "display_description"} & given.keys():
            volume.description = _either(given, "description", "display_description")
        if given.get("metadata") is not None:
            volume.properties = dict(given["metadata"])

    found = volumes.edit(request.services, request.context, volume_id, change)
    return Reply({"volume": views.made(found, reader(request))})


def delete(request: ApiRequest, volume_id: str) -> Reply:
    cascade = query.boolean(request, "cascade")
    forced = request.version >= Microversion(3, 23) and query.boolean(request, "force") and request.context.is_admin
    volumes.delete(request.services, request.context, volume_id, cascade=cascade, forced=forced)
    return Reply(status=202)
