"""Snapshots as Cinder shows them."""

from __future__ import annotations

from collections.abc import Sequence

from api.compute.views.fields import Body, Field, Reader, micros, prune
from common.db.models import VolumeSnapshot

_FIELDS = (
    Field("group_snapshot_id", since="3.14"),
    Field("user_id", since="3.41"),
    Field("consumes_quota", since="3.65"),
)
_EXTENDED = (
    *_FIELDS,
    Field("os-extended-snapshot-attributes:progress"),
    Field("os-extended-snapshot-attributes:project_id"),
)


def summary(row: VolumeSnapshot, audience: Reader) -> Body:
    """What creating answers, and the short list: without the extended attributes."""
    return prune(_body(row), _FIELDS, audience)


def show(row: VolumeSnapshot, audience: Reader) -> Body:
    extended = {
        "os-extended-snapshot-attributes:progress": f"{row.progress}%",
        "os-extended-snapshot-attributes:project_id": row.project_id,
    }
    return prune(_body(row) | extended, _EXTENDED, audience)


def summary_list(rows: Sequence[VolumeSnapshot], audience: Reader) -> list[Body]:
    return [summary(row, audience) for row in rows]


def detail_list(rows: Sequence[VolumeSnapshot], audience: Reader) -> list[Body]:
    return [show(row, audience) for row in rows]


def _body(row: VolumeSnapshot) -> Body:
    return {
        "id": row.id, "name": row.name, "description": row.description, "volume_id": row.volume_id,
        "status": row.status, "size": row.size_gib, "created_at": micros(row.created_at),
        "updated_at": micros(row.updated_at), "metadata": dict(row.properties),
        "group_snapshot_id": row.group_snapshot_id, "user_id": row.user_id, "consumes_quota": True,
    }  # fmt: skip
