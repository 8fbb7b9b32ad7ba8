"""Operations as their project, or an administrator, may list and read them."""

from __future__ import annotations

from collections.abc import Sequence

from api.request import Services
from common.context import RequestContext
from common.db import operations
from common.db.models import Operation, OperationEvent
from common.db.paging import Page
from common.errors import Forbidden, NotFound
from common.ids import is_uuid


def list_operations(
    services: Services,
    context: RequestContext,
    *,
    states: Sequence[str],
    resource_id: str | None,
    all_projects: bool,
    stuck: bool,
    page: Page,
) -> list[Operation]:
    """Newest first. stuck: only those that need a person.

    Raises Forbidden when a tenant asks for all projects, InvalidRequest for an unknown marker.
    """
    if all_projects and not context.is_admin:
        raise Forbidden("Only an administrator may list the operations of all projects.")
    project_id = None if all_projects else context.project_id or ""
    with services.db.read() as session:
        return operations.list_recent(
            session,
            project_id=project_id,
            states=states,
            page=page,
            resource_id=resource_id,
            stuck_at=services.clock.now() if stuck else None,
        )


def show(services: Services, context: RequestContext, operation_id: str) -> tuple[Operation, list[OperationEvent]]:
    """Raises NotFound, with the same words for a stranger's and for none."""
    with services.db.read() as session:
        found = operations.get(session, operation_id) if is_uuid(operation_id) else None
        if found is None or not context.owns(found.project_id):
            raise NotFound(f"Operation {operation_id[:64]} could not be found.")
        return found, operations.events(session, [found.id])
