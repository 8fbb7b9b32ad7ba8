"""Regions, services and endpoints as the Identity API shows them."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from common.db.models import Endpoint, IdentityService, Region


def region(row: Region, base_url: str) -> dict[str, Any]:
    return {
        "id": row.id,
        "description": row.description,
        "parent_region_id": row.parent_region_id,
        "links": {"self": f"{base_url}/regions/{quote(row.id, safe='')}"},
    }


def service(row: IdentityService, base_url: str) -> dict[str, Any]:
    return {
        "id": row.id,
        "type": row.type,
        "name": row.name,
        "description": row.description,
        "enabled": row.enabled,
        "links": {"self": f"{base_url}/services/{row.id}"},
    }


def endpoint(row: Endpoint, base_url: str) -> dict[str, Any]:
    return {
        "id": row.id,
        "interface": row.interface,
        "service_id": row.service_id,
        "region_id": row.region_id,
        "region": row.region_id,
        "url": row.url,
        "enabled": row.enabled,
        "links": {"self": f"{base_url}/endpoints/{row.id}"},
    }
