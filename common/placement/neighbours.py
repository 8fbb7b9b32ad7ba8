"""What the places of other servers mean for a request: server groups and the hints same_host and different_host.

Read in the claim's transaction; a request without group and hints costs no statement.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy.orm import Session

from common.db import server_groups
from common.db.models import Instance
from common.placement.request import Group, PlacementRequest


def consider(session: Session, instance: Instance, request: PlacementRequest) -> PlacementRequest:
    """The request with what the instance's group and hints add to it; the group stays held until the claim is made."""
    hints: Mapping[str, Any] = instance.scheduler_hints or {}
    if hints.get("group"):
        found = server_groups.occupancy(session, instance.id)
        if found is not None:
            request = replace(request, group=Group(found.policy, found.max_per_node, found.members))
    if same := _ids(hints.get("same_host")):
        nodes = server_groups.nodes_of(session, same, instance.project_id)
        request = replace(request, same_nodes=frozenset(nodes))
    if different := _ids(hints.get("different_host")):
        nodes = server_groups.nodes_of(session, different, instance.project_id)
        request = replace(request, other_nodes=frozenset(nodes))
    return request


def _ids(hint: Any) -> list[str]:
    if isinstance(hint, str):
        return [hint]
    return [str(each) for each in hint] if isinstance(hint, list) else []
