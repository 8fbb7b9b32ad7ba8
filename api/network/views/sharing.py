"""RBAC policies, address groups and scopes, subnet pools as JSON."""

from __future__ import annotations

from typing import Any

from api.network.operations.shareable import Shown
from api.network.views.times import shown
from common.db.models import RbacPolicy


def standard(row: Any) -> dict[str, Any]:
    """What every object has that keeps account of its changes."""
    return {
        "tags": [],
        "created_at": shown(row.created_at),
        "updated_at": shown(row.updated_at),
        "revision_number": row.revision_number,
    }


def owned(row: Any) -> dict[str, Any]:
    return {"id": row.id, "project_id": row.project_id, "tenant_id": row.project_id}


def rbac_policy(row: RbacPolicy) -> dict[str, Any]:
    return {
        **owned(row),
        "object_type": row.object_type,
        "object_id": row.object_id,
        "action": row.action,
        "target_tenant": row.target_project,
    }


def address_group(item: Shown) -> dict[str, Any]:
    row = item.row
    return {
        **owned(row),
        "name": row.name,
        "description": row.description,
        "addresses": row.addresses,
        "shared": item.shared,
        **standard(row),
    }


def address_scope(item: Shown) -> dict[str, Any]:
    return {**owned(item.row), "name": item.row.name, "ip_version": item.row.ip_version, "shared": item.shared}


def subnet_pool(item: Shown) -> dict[str, Any]:
    """Lengths are text, as clients of Neutron know them."""
    row = item.row
    return {
        **owned(row),
        "name": row.name,
        "description": row.description,
        "ip_version": row.ip_version,
        "prefixes": row.prefixes,
        "default_prefixlen": str(row.default_prefixlen),
        "min_prefixlen": str(row.min_prefixlen),
        "max_prefixlen": str(row.max_prefixlen),
        "default_quota": row.default_quota,
        "is_default": row.is_default,
        "address_scope_id": row.address_scope_id,
        "shared": item.shared,
        **standard(row),
    }
