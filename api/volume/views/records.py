"""Messages to users and offers of volumes as Cinder shows them."""

from __future__ import annotations

from api.compute.views.fields import Body, Field, Reader, micros, prune
from api.volume.views.volumes import links
from common.db.models import VolumeMessage, VolumeTransfer

_TRANSFER_FIELDS = (
    Field("no_snapshots", since="3.55"),
    Field("source_project_id", since="3.57"),
    Field("destination_project_id", since="3.57"),
    Field("accepted", since="3.57"),
)


def message(row: VolumeMessage, audience: Reader) -> Body:
    return {
        "id": row.id,
        "event_id": row.event_id,
        "user_message": row.user_message,
        "message_level": row.level,
        "created_at": micros(row.created_at),
        "guaranteed_until": micros(row.expires_at),
        "request_id": row.request_id,
        "resource_type": row.resource_type,
        "resource_uuid": row.resource_id,
        "links": links(audience.base_url, "messages", row.id),
    }


def transfer_summary(row: VolumeTransfer, audience: Reader) -> Body:
    return {
        "id": row.id,
        "volume_id": row.volume_id,
        "name": row.name,
        "links": links(audience.base_url, "os-volume-transfer", row.id),
    }


def transfer(row: VolumeTransfer, audience: Reader) -> Body:
    body: Body = {
        **transfer_summary(row, audience),
        "created_at": micros(row.created_at),
        "no_snapshots": row.no_snapshots,
        "source_project_id": row.source_project_id,
        "destination_project_id": None,
        "accepted": False,
    }
    return prune(body, _TRANSFER_FIELDS, audience)
