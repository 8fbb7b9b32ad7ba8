"""The reasoning behind a server's placement, kept with the operation that looked for a node."""

from __future__ import annotations

from typing import Any

from api.cumulet.views.explain import why_body
from api.request import Services
from common.context import RequestContext
from common.db import instances, operations
from common.errors import NotFound
from common.ids import is_uuid

PLACING_KIND = "server_create"


def why(services: Services, context: RequestContext, server_id: str) -> dict[str, Any]:
    """Also of a deleted server, which may be the one that asks for an explanation. Raises NotFound."""
    with services.db.read() as session:
        instance = instances.get(session, server_id, deleted=True) if is_uuid(server_id) else None
        if instance is None or not context.owns(instance.project_id):
            raise NotFound(f"Instance {server_id[:64]} could not be found.")
        operation = operations.latest(session, instance.id, PLACING_KIND)
    reasoning = operation.reasoning if operation else {}
    return why_body(
        instance.id, operation.id if operation else None, reasoning, instance.project_id, is_admin=context.is_admin
    )
