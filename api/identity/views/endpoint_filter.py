"""Endpoint groups and what they are associated with, as Keystone shows them."""

from __future__ import annotations

from typing import Any

from common.db.models import EndpointGroup, EndpointGroupProject


def endpoint_group(row: EndpointGroup, base_url: str) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "description": row.description,
        "filters": row.filters,
        "links": {"self": f"{base_url}/OS-EP-FILTER/endpoint_groups/{row.id}"},
    }


def association(row: EndpointGroupProject, self_url: str) -> dict[str, Any]:
    return {"endpoint_group_id": row.endpoint_group_id, "project_id": row.project_id, "links": {"self": self_url}}
