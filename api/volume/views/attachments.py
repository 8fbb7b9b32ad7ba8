"""Attachments as Cinder shows them since 3.27."""

from __future__ import annotations

from collections.abc import Sequence

from api.compute.views.fields import Body, micros
from common.db.models import VolumeAttachment


def summary(row: VolumeAttachment) -> Body:
    return {"id": row.id, "status": row.status, "instance": row.instance_id, "volume_id": row.volume_id}


def show(row: VolumeAttachment) -> Body:
    return {
        **summary(row),
        "attached_at": micros(row.attached_at) or "",
        "detached_at": micros(row.detached_at) or "",
        "attach_mode": row.mode,
        "connection_info": _connection(row),
    }


def _connection(row: VolumeAttachment) -> Body:
    """What Cumulet's own agents get by the bus; others are told which volume it is and how they may have it."""
    if not row.connector:
        return {}
    return {
        "driver_volume_type": "cumulet", "attachment_id": row.id, "volume_id": row.volume_id, "access_mode": row.mode,
    }  # fmt: skip


def summary_list(rows: Sequence[VolumeAttachment]) -> list[Body]:
    return [summary(row) for row in rows]


def detail_list(rows: Sequence[VolumeAttachment]) -> list[Body]:
    return [show(row) for row in rows]
