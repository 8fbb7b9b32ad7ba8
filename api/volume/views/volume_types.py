"""Volume types, their encryption and QoS specs as Cinder shows them."""

from __future__ import annotations

from typing import Any

from api.compute.views.fields import Body, Reader, micros
from api.volume.views.volumes import links
from common.db.models import DefaultVolumeType, VolumeQosSpecs, VolumeType, VolumeTypeEncryption


def volume_type(row: VolumeType, specs: dict[str, str], audience: Reader) -> Body:
    body: Body = {
        "id": row.id,
        "name": row.name,
        "description": row.description,
        "is_public": row.is_public,
        "os-volume-type-access:is_public": row.is_public,
        "extra_specs": specs,
    }
    if audience.is_admin:
        body["qos_specs_id"] = row.qos_specs_id
    return body


def made(row: VolumeType) -> Body:
    """The answer to making or changing one, without what is shown of it elsewhere."""
    return {
        "id": row.id,
        "name": row.name,
        "description": row.description,
        "is_public": row.is_public,
        "extra_specs": dict(row.extra_specs),
    }


def encryption(row: VolumeTypeEncryption | None) -> Body:
    """Flat, as the API has it; empty where there is none."""
    if row is None:
        return {}
    return {
        **encryption_made(row),
        "deleted": False,
        "created_at": micros(row.created_at),
        "updated_at": micros(row.updated_at),
        "deleted_at": None,
    }


def encryption_made(row: VolumeTypeEncryption) -> Body:
    return {
        "volume_type_id": row.volume_type_id,
        "encryption_id": row.id,
        "provider": row.provider,
        "cipher": row.cipher,
        "key_size": row.key_size,
        "control_location": row.control_location,
    }


def qos_specs(row: VolumeQosSpecs) -> Body:
    return {"id": row.id, "name": row.name, "consumer": row.consumer, "specs": dict(row.specs)}


def qos_detail(row: VolumeQosSpecs, audience: Reader) -> Body:
    return {"qos_specs": qos_specs(row), "links": links(audience.base_url, "qos-specs", row.id)}


def associations(rows: list[VolumeType]) -> list[dict[str, Any]]:
    return [{"association_type": "volume_type", "name": row.name, "id": row.id} for row in rows]


def default_type(row: DefaultVolumeType) -> Body:
    return {"project_id": row.project_id, "volume_type_id": row.volume_type_id}
