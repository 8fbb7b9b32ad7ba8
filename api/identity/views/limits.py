"""Registered limits and limits as Keystone shows them."""

from __future__ import annotations

from typing import Any

from common.db.limits import Limit
from common.db.models import RegisteredLimit

MODEL = {
    "name": "flat",
    "description": "Limit enforcement and validation does not take project hierarchy into consideration.",
}


def registered(row: RegisteredLimit, base_url: str) -> dict[str, Any]:
    return {
        "id": row.id,
        "service_id": row.service_id,
        "region_id": row.region_id,
        "resource_name": row.resource_name,
        "default_limit": row.default_limit,
        "description": row.description,
        "links": {"self": f"{base_url}/registered_limits/{row.id}"},
    }


def limit(row: Limit, base_url: str) -> dict[str, Any]:
    own, registered = row
    return {
        "id": own.id,
        "service_id": registered.service_id,
        "region_id": registered.region_id,
        "resource_name": registered.resource_name,
        "resource_limit": own.resource_limit,
        "description": own.description,
        "project_id": own.project_id,
        "domain_id": own.domain_id,
        "links": {"self": f"{base_url}/limits/{own.id}"},
    }
