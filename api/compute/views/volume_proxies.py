"""Volumes and snapshots in the words of compute's own API (until 2.35)."""

from __future__ import annotations

from api.compute.views.fields import Body, micros
from api.volume.operations.volumes import VolumePage
from common.db.models import Volume, VolumeSnapshot
from common.volume_states import HELD_BY_GUEST


def volumes(found: VolumePage) -> list[Body]:
    return [_volume(row, found) for row in found.volumes]


def volume(found: VolumePage) -> Body:
    return _volume(found.volumes[0], found)


def _volume(row: Volume, found: VolumePage) -> Body:
    return {
        "id": row.id, "status": row.status, "size": row.size_gib, "availabilityZone": row.availability_zone,
        "createdAt": micros(row.created_at), "displayName": row.name, "displayDescription": row.description,
        "volumeType": found.type_names.get(row.volume_type_id or ""), "snapshotId": row.snapshot_id,
        "metadata": dict(row.properties), "attachments": _attachments(row, found),
    }  # fmt: skip


def _attachments(row: Volume, found: VolumePage) -> list[Body]:
    """That of one server, as was all there could be; a volume that none has shows an empty one."""
    held = [each for each in found.attachments.get(row.id, ()) if each.status in HELD_BY_GUEST]
    if not held:
        return [{}]
    device = {"device": f"/dev/{held[0].device}"} if held[0].device else {}
    return [{"id": row.id, "volumeId": row.id, "serverId": held[0].instance_id, **device}]


def snapshot(row: VolumeSnapshot) -> Body:
    return {
        "id": row.id, "volumeId": row.volume_id, "status": row.status, "size": row.size_gib,
        "createdAt": micros(row.created_at), "displayName": row.name, "displayDescription": row.description,
    }  # fmt: skip
