"""Backups: lists, create, show, update, delete, restore, records and status."""

from __future__ import annotations

from typing import Any

from api.compute.views.fields import reader
from api.microversion import Microversion
from api.request import ApiRequest, Reply
from api.schema import Schema, as_boolean, validate
from api.volume import query
from api.volume.operations import backup_records, backup_restore, backups
from api.volume.operations.backups import BackupPage, NewBackup
from api.volume.schemas import backups as schemas
from api.volume.views import backups as views
from common.db.models import VolumeBackup
from common.db.volume_backups import BackupFilter

_EQUALS = {
    "status": "status", "volume_id": "volume_id", "name": "name", "id": "id", "container": "container",
    "snapshot_id": "snapshot_id", "availability_zone": "availability_zone",
}  # fmt: skip


def list_summary(request: ApiRequest) -> Reply:
    found = backups.list_page(request.services, _filter(request), query.page(request))
    return _listed(request, found, views.summary_list(found, reader(request)))


def list_detail(request: ApiRequest) -> Reply:
    found = backups.list_page(request.services, _filter(request), query.page(request))
    return _listed(request, found, views.detail_list(found, reader(request)))


def _listed(request: ApiRequest, found: BackupPage, bodies: list[dict[str, Any]]) -> Reply:
    body: dict[str, Any] = {"backups": bodies, **query.next_link(request, "backups", [row.id for row in found.backups])}
    if request.version >= Microversion(3, 45) and query.boolean(request, "with_count"):
        body["count"] = backups.count(request.services, _filter(request))
    return Reply(body)


def _filter(request: ApiRequest) -> BackupFilter:
    context = request.context
    everybody = context.is_admin and query.boolean(request, "all_tenants")
    named = query.text(request, "project_id") if everybody else None
    equals: dict[str, Any] = {
        column: query.text(request, name) for name, column in _EQUALS.items() if name in request.query
    }
    return BackupFilter(
        project_id=named if everybody else (context.project_id or ""),
        equals=equals,
        name_like=query.text(request, "name~"),
        properties=query.pairs(request, "metadata"),
    )


def create(request: ApiRequest) -> Reply:
    validate(request.body, _create_schema(request.version))
    given = request.body["backup"]
    wanted = NewBackup(
        volume_id=given["volume_id"], snapshot_id=given.get("snapshot_id") or None, name=_text(given, "name"),
        description=_text(given, "description"), container=given.get("container") or None,
        availability_zone=given.get("availability_zone") or None,
        incremental=as_boolean(given.get("incremental", False)), forced=as_boolean(given.get("force", False)),
        properties=given.get("metadata") or {},
    )  # fmt: skip
    made = backups.create(request.services, request.context, wanted)
    return Reply({"backup": views.changed(made, reader(request))}, 202)


def _create_schema(version: Microversion) -> Schema:
    if version >= Microversion(3, 51):
        return schemas.CREATE_351
    return schemas.CREATE_343 if version >= Microversion(3, 43) else schemas.CREATE


def _text(given: dict[str, Any], name: str) -> str | None:
    value = given.get(name)
    return None if value is None else str(value).strip()


def show(request: ApiRequest, backup_id: str) -> Reply:
    return Reply({"backup": views.show(backups.show(request.services, request.context, backup_id), reader(request))})


def update(request: ApiRequest, backup_id: str) -> Reply:
    newer = request.version >= Microversion(3, 43)
    validate(request.body, schemas.UPDATE_343 if newer else schemas.UPDATE)
    given = request.body["backup"]

    def change(backup: VolumeBackup) -> None:
        if "name" in given:
            backup.name = _text(given, "name")
        if "description" in given:
            backup.description = _text(given, "description")
        if "metadata" in given:
            backup.properties = dict(given["metadata"])

    found = backups.edit(request.services, request.context, backup_id, change)
    return Reply({"backup": views.changed(found, reader(request))})


def delete(request: ApiRequest, backup_id: str) -> Reply:
    backups.delete(request.services, request.context, backup_id)
    return Reply(status=202)


def force_delete(request: ApiRequest, backup_id: str) -> Reply:
    backups.delete(request.services, request.context, backup_id, forced=True)
    return Reply(status=202)


def reset_status(request: ApiRequest, backup_id: str) -> Reply:
    validate(request.body, schemas.RESET_STATUS)
    status = request.body["os-reset_status"]["status"]
    backups.reset_status(request.services, request.context, backup_id, status)
    return Reply(status=202)


def restore(request: ApiRequest, backup_id: str) -> Reply:
    validate(request.body, schemas.RESTORE)
    given = request.body["restore"] or {}
    done = backup_restore.restore(
        request.services, request.context, backup_id, volume_id=given.get("volume_id") or None,
        name=_text(given, "name"),
    )  # fmt: skip
    return Reply({"restore": views.restored(done.backup_id, done.volume_id, done.volume_name)}, 202)


def export_record(request: ApiRequest, backup_id: str) -> Reply:
    return Reply({"backup-record": backup_records.export(request.services, request.context, backup_id)})


def import_record(request: ApiRequest) -> Reply:
    validate(request.body, schemas.IMPORT)
    given = request.body["backup-record"]
    made = backup_records.import_(
        request.services, request.context, given["backup_service"], given["backup_url"]
    )  # fmt: skip
    return Reply({"backup": views.summary(made, reader(request))}, 201)
