"""Volumes as Cinder shows them: the newest form is built, a table of fields prunes it to the microversion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from api.compute.views.fields import Body, Field, Reader, micros, prune
from api.volume.operations.volumes import VolumePage
from common.db.models import Volume, VolumeAttachment
from common.db.volume_services import pool_of
from common.volume_states import AttachStatus

_FIELDS = (
    Field("group_id", since="3.13"),
    Field("provider_id", since="3.21", admin=True),
    Field("service_uuid", since="3.48"),
    Field("shared_targets", since="3.48"),
    Field("cluster_name", since="3.61", admin=True),
    Field("volume_type_id", since="3.63"),
    Field("consumes_quota", since="3.65"),
    Field("os-vol-host-attr:host", admin=True),
    Field("os-vol-mig-status-attr:migstat", admin=True),
    Field("os-vol-mig-status-attr:name_id", admin=True),
)


def summary_list(found: VolumePage, audience: Reader) -> list[Body]:
    return [
        {"id": row.id, "name": row.name or "", "links": links(audience.base_url, "volumes", row.id)}
        for row in found.volumes
    ]


def detail_list(found: VolumePage, audience: Reader) -> list[Body]:
    return [_body(row, found, audience) for row in found.volumes]


def show(found: VolumePage, audience: Reader) -> Body:
    return _body(found.volumes[0], found, audience)


def links(base_url: str, noun: str, resource_id: str) -> list[dict[str, str]]:
    root, _, _ = base_url.partition("/v3")
    return [
        {"rel": "self", "href": f"{base_url}/{noun}/{resource_id}"},
        {"rel": "bookmark", "href": f"{root}/{noun}/{resource_id}"},
    ]


def _body(row: Volume, found: VolumePage, audience: Reader) -> Body:
    body: Body = {
        "id": row.id,
        "name": row.name,
        "description": row.description,
        "status": row.status,
        "size": row.size_gib,
        "availability_zone": row.availability_zone,
        "created_at": micros(row.created_at),
        "updated_at": micros(row.updated_at),
        "user_id": row.user_id,
        "bootable": "true" if row.bootable else "false",
        "encrypted": False,
        "multiattach": row.multiattach,
        "replication_status": None,
        "consistencygroup_id": None,
        "group_id": row.group_id,
        "snapshot_id": row.snapshot_id,
        "source_volid": row.source_volume_id,
        "volume_type": found.type_names.get(row.volume_type_id or ""),
        "volume_type_id": row.volume_type_id,
        "migration_status": row.migration_status if audience.is_admin else None,
        "metadata": _metadata(row),
        "attachments": attachments(found.attachments.get(row.id, ()), audience),
        "links": links(audience.base_url, "volumes", row.id),
        "os-vol-tenant-attr:tenant_id": row.project_id,
        "os-vol-host-attr:host": pool_of(row.node_name, row.backend) if row.node_name else None,
        "os-vol-mig-status-attr:migstat": row.migration_status,
        "os-vol-mig-status-attr:name_id": None,
        "service_uuid": None,
        "shared_targets": False,
        "provider_id": None,
        "cluster_name": None,
        "consumes_quota": True,
    }
    if row.image_properties:
        body["volume_image_metadata"] = dict(row.image_properties)
    return prune(body, _FIELDS, audience)


def _metadata(row: Volume) -> dict[str, Any]:
    """With what an administrator's word on it adds, as Cinder shows it."""
    extra = {} if row.read_only is None else {"readonly": str(row.read_only)}
    return {**row.properties, **extra}


def attachments(rows: Sequence[VolumeAttachment], audience: Reader) -> list[Body]:
    """Those that are a disk of a server, in the older form that volumes bear."""
    shown = [row for row in rows if row.status in (AttachStatus.ATTACHED, AttachStatus.DETACHING)]
    return [
        {
            "id": row.volume_id,
            "attachment_id": row.id,
            "volume_id": row.volume_id,
            "server_id": row.instance_id,
            "host_name": row.node_name if audience.is_admin else None,
            "device": f"/dev/{row.device}" if row.device else None,
            "attached_at": micros(row.attached_at),
        }
        for row in shown
    ]
