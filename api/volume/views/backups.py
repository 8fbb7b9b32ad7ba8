"""Backups as Cinder shows them."""

from __future__ import annotations

from collections.abc import Sequence

from api.compute.views.fields import Body, Field, Reader, micros, prune
from api.volume.operations.backups import BackupPage
from api.volume.views.volumes import links
from common.db.models import VolumeBackup

_FIELDS = (
    Field("os-backup-project-attr:project_id", since="3.18", admin=True),
    Field("metadata", since="3.43"),
    Field("user_id", since="3.56", admin=True),
)
_SUMMARY_FIELDS = (Field("metadata", since="3.43"),)


def summary(row: VolumeBackup, audience: Reader) -> Body:
    return {"id": row.id, "name": row.name, "links": links(audience.base_url, "backups", row.id)}


def changed(row: VolumeBackup, audience: Reader) -> Body:
    return prune({**summary(row, audience), "metadata": dict(row.properties)}, _SUMMARY_FIELDS, audience)


def summary_list(found: BackupPage, audience: Reader) -> list[Body]:
    return [summary(row, audience) for row in found.backups]


def detail_list(found: BackupPage, audience: Reader) -> list[Body]:
    return [_body(row, found.parents, audience) for row in found.backups]


def show(found: BackupPage, audience: Reader) -> Body:
    return _body(found.backups[0], found.parents, audience)


def _body(row: VolumeBackup, parents: set[str] | Sequence[str], audience: Reader) -> Body:
    body: Body = {
        **summary(row, audience),
        "status": row.status,
        "size": row.size_gib,
        "object_count": row.object_count,
        "availability_zone": row.availability_zone,
        "container": row.container,
        "created_at": micros(row.created_at),
        "updated_at": micros(row.updated_at),
        "description": row.description,
        "fail_reason": row.fail_reason,
        "volume_id": row.volume_id,
        "is_incremental": row.parent_id is not None,
        "has_dependent_backups": row.id in parents,
        "snapshot_id": row.snapshot_id,
        "data_timestamp": micros(row.data_timestamp),
        "os-backup-project-attr:project_id": row.project_id,
        "metadata": dict(row.properties),
        "user_id": row.user_id,
    }
    return prune(body, _FIELDS, audience)


def restored(backup_id: str, volume_id: str, volume_name: str | None) -> Body:
    return {"backup_id": backup_id, "volume_id": volume_id, "volume_name": volume_name}
