"""Groups of volumes, their types and their snapshots as Cinder shows them."""

from __future__ import annotations

from collections.abc import Sequence

from api.compute.views.fields import Body, Field, Reader, micros, prune
from common.db.models import VolumeGroup, VolumeGroupSnapshot, VolumeGroupType

_FIELDS = (
    Field("group_snapshot_id", since="3.14"),
    Field("source_group_id", since="3.14"),
    Field("volumes", since="3.25"),
    Field("replication_status", since="3.38"),
)


def group_type(row: VolumeGroupType, audience: Reader) -> Body:
    body: Body = {"id": row.id, "name": row.name, "description": row.description, "is_public": row.is_public}
    if audience.is_admin:
        body["group_specs"] = dict(row.group_specs)
    return body


def summary(row: VolumeGroup | VolumeGroupSnapshot) -> Body:
    return {"id": row.id, "name": row.name}


def group(row: VolumeGroup, audience: Reader, member_ids: Sequence[str] | None = None) -> Body:
    """member_ids: shown where they were asked for."""
    body: Body = {
        "id": row.id,
        "name": row.name,
        "description": row.description,
        "status": row.status,
        "availability_zone": row.availability_zone,
        "created_at": micros(row.created_at),
        "group_type": row.group_type_id,
        "volume_types": list(row.volume_types),
        "group_snapshot_id": row.group_snapshot_id,
        "source_group_id": row.source_group_id,
        "replication_status": "disabled",
    }
    if member_ids is not None:
        body["volumes"] = list(member_ids)
    return prune(body, _FIELDS, audience)


def snapshot_made(row: VolumeGroupSnapshot) -> Body:
    return {"id": row.id, "name": row.name, "group_type_id": row.group_type_id}


def snapshot(row: VolumeGroupSnapshot) -> Body:
    return {
        **snapshot_made(row),
        "description": row.description,
        "status": row.status,
        "group_id": row.group_id,
        "created_at": micros(row.created_at),
    }
