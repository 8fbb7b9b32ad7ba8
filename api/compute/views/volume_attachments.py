"""Volumes of a server as os-volume_attachments shows them."""

from __future__ import annotations

from collections.abc import Sequence

from api.compute.views.fields import Body, Field, Reader, prune
from common.db.models import VolumeAttachment

FIELDS = (
    Field("id", until="2.88"),
    Field("tag", since="2.70"),
    Field("delete_on_termination", since="2.79"),
    Field("attachment_id", since="2.89"),
    Field("bdm_uuid", since="2.89"),
)


def show(row: VolumeAttachment, audience: Reader) -> Body:
    body: Body = {
        "id": row.volume_id, "volumeId": row.volume_id, "serverId": row.instance_id,
        "device": f"/dev/{row.device}" if row.device else None, "tag": row.tag,
        "delete_on_termination": row.delete_on_termination, "attachment_id": row.id, "bdm_uuid": row.id,
    }  # fmt: skip
    return prune(body, FIELDS, audience)


def show_all(rows: Sequence[VolumeAttachment], audience: Reader) -> list[Body]:
    return [show(row, audience) for row in rows]


def of_server(rows: Sequence[VolumeAttachment], audience: Reader) -> list[Body]:
    """os-extended-volumes:volumes_attached."""
    newer = audience.at_least("2.3")
    return [
        {"id": row.volume_id, **({"delete_on_termination": row.delete_on_termination} if newer else {})} for row in rows
    ]
