"""Security groups and their rules as JSON."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from typing import Any

from api.network.operations.security_groups import ShownGroup
from api.network.views.times import shown
from common.db.models import SecurityGroupRule


def group(item: ShownGroup) -> dict[str, Any]:
    row = item.group
    default = {row.id} if row.default_of is not None else set()
    return {
        "id": row.id,
        "name": row.name,
        "description": row.description,
        "tenant_id": row.project_id,
        "project_id": row.project_id,
        "stateful": row.stateful,
        "shared": item.shared,
        "security_group_rules": [rule(each, default) for each in item.rules],
        "tags": [],
        "created_at": shown(row.created_at),
        "updated_at": shown(row.updated_at),
        "revision_number": row.revision_number,
    }


def rule(row: SecurityGroupRule, default_groups: Collection[str]) -> dict[str, Any]:
    prefix = row.remote_ip_prefix
    return {
        "id": row.id,
        "tenant_id": row.project_id,
        "project_id": row.project_id,
        "security_group_id": row.security_group_id,
        "direction": row.direction,
        "ethertype": row.ethertype,
        "protocol": row.protocol,
        "port_range_min": row.port_range_min,
        "port_range_max": row.port_range_max,
        "remote_ip_prefix": prefix,
        "normalized_cidr": str(ipaddress.ip_network(prefix, strict=False)) if prefix else None,
        "remote_group_id": row.remote_group_id,
        "remote_address_group_id": row.remote_address_group_id,
        "belongs_to_default_sg": row.security_group_id in default_groups,
        "description": row.description,
        "tags": [],
        "created_at": shown(row.created_at),
        "updated_at": shown(row.updated_at),
        "revision_number": row.revision_number,
    }
