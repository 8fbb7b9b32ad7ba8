"""Local IPs as JSON."""

from __future__ import annotations

from typing import Any

from api.network.views.times import shown
from common.db.local_ips import Association
from common.db.models import LocalIp


def local_ip(row: LocalIp) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "description": row.description,
        "tenant_id": row.project_id,
        "project_id": row.project_id,
        "local_port_id": row.local_port_id,
        "network_id": row.network_id,
        "local_ip_address": row.local_ip_address,
        "ip_mode": row.ip_mode,
        "created_at": shown(row.created_at),
        "updated_at": shown(row.updated_at),
        "revision_number": row.revision_number,
    }


def association(found: Association) -> dict[str, Any]:
    return {
        "local_ip_id": found.local.id,
        "local_ip_address": found.local.local_ip_address,
        "fixed_port_id": found.fixed_port_id,
        "fixed_ip": found.fixed_ip,
        "host": found.host,
    }
