"""Network segment ranges as JSON."""

from __future__ import annotations

from itertools import islice
from typing import Any

from api.network.operations.segment_ranges import ShownRange
from api.network.views.times import shown
from common.db.segment_ranges import FEW


def segment_range(item: ShownRange) -> dict[str, Any]:
    """`available` has the lowest 4,096 of the ids that are free."""
    row = item.row
    free = (number for number in range(row.minimum, row.maximum + 1) if number not in item.used)
    return {
        "id": row.id,
        "name": row.name,
        "description": row.description,
        "default": item.default,
        "shared": row.project_id is None,
        "project_id": row.project_id,
        "tenant_id": row.project_id,
        "network_type": row.network_type,
        "physical_network": row.physical_network,
        "minimum": row.minimum,
        "maximum": row.maximum,
        "used": {str(number): project_id for number, project_id in item.used.items()},
        "available": list(islice(free, FEW)),
        "tags": [],
        "created_at": shown(row.created_at) if row.created_at else None,
        "updated_at": shown(row.updated_at) if row.updated_at else None,
        "revision_number": row.revision_number,
    }
