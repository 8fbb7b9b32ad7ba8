"""Services, hosts, pools and capabilities as Cinder shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from api.compute.views.fields import Body, Field, Reader, micros, prune
from common.db.volume_services import HostUse, Pool, VolumeService, host_of, pool_of
from common.volume_capabilities import DRIVER_VERSION, PROTOCOLS, VENDOR, of_node

_FIELDS = (Field("cluster", since="3.7"), Field("backend_state", since="3.49"))


def is_up(last_seen_at: datetime | None, audience: Reader) -> bool:
    return last_seen_at is not None and (audience.now - last_seen_at).total_seconds() <= audience.node_down_after_s


def service(row: VolumeService, audience: Reader) -> Body:
    up = is_up(row.last_seen_at, audience)
    body: Body = {
        "binary": row.binary,
        "host": row.host,
        "zone": row.zone,
        "status": "disabled" if row.disabled else "enabled",
        "state": "up" if up else "down",
        "updated_at": micros(row.last_seen_at or row.updated_at or row.created_at),
        "disabled_reason": row.disabled_reason,
        "cluster": None,
    }
    if row.binary == "cinder-volume":
        body |= {
            "frozen": row.frozen,
            "replication_status": "disabled",
            "active_backend_id": None,
            "backend_state": "up" if up else "down",
        }
    return prune(body, _FIELDS, audience)


def changed(row: VolumeService, asked_host: str, *, with_reason: bool) -> Body:
    body: Body = {
        "host": asked_host,
        "service": row.binary,
        "binary": row.binary,
        "disabled": row.disabled,
        "status": "disabled" if row.disabled else "enabled",
    }
    return {**body, "disabled_reason": row.disabled_reason} if with_reason else body


def host(row: VolumeService, audience: Reader) -> Body:
    return {
        "host_name": row.host,
        "service": row.binary,
        "zone": row.zone,
        "service-status": "available" if is_up(row.last_seen_at, audience) else "unavailable",
        "service-state": "disabled" if row.disabled else "enabled",
        "last-update": micros(row.last_seen_at),
    }


def host_use(asked_host: str, use: HostUse) -> Body:
    """Amounts are texts, as Cinder has them."""
    return {
        "resource": {
            "host": asked_host,
            "project": use.project_id or "(total)",
            "volume_count": str(use.volumes),
            "total_volume_gb": str(use.volume_gib),
            "snapshot_count": str(use.snapshots),
            "total_snapshot_gb": str(use.snapshot_gib),
        }
    }


def capabilities_of(row: Pool) -> dict[str, Any]:
    """What a volume type's extra specs are compared with, and what administrators see of a pool."""
    can = of_node(
        backend=row.backend, total_gib=row.total_gib, reserved_gib=row.reserved_gib, allocated_gib=row.allocated_gib
    )
    return {**can, "backend_state": "up", "timestamp": micros(row.last_heartbeat_at)}


def pool(row: Pool, *, detail: bool) -> Body:
    name = pool_of(row.node_name, row.backend)
    return {"name": name, "capabilities": capabilities_of(row)} if detail else {"name": name}


def capabilities(row: Pool) -> Body:
    return {
        "namespace": f"OS::Storage::Capabilities::{host_of(row.node_name, row.backend)}",
        "vendor_name": VENDOR,
        "volume_backend_name": row.backend,
        "pool_name": None,
        "driver_version": DRIVER_VERSION,
        "storage_protocol": PROTOCOLS[row.backend],
        "display_name": None,
        "description": None,
        "visibility": None,
        "replication_targets": [],
        "properties": {
            "thin_provisioning": {
                "title": "Thin provisioning", "type": "boolean",
                "description": "A volume takes the room that has been written to.",
            },
            "qos": {"title": "QoS", "type": "boolean", "description": "Front-end QoS limits the disk at the server."},
        },
    }  # fmt: skip
