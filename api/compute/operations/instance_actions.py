"""The history of a server: its operations and their events, as os-instance-actions shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from api.request import Services
from common.context import RequestContext
from common.db import instances, operations, server_actions
from common.db.models import Instance, Operation, OperationEvent
from common.db.paging import Page
from common.errors import NotFound


@dataclass(frozen=True)
class Shown:
    operation: Operation
    events: Sequence[OperationEvent]


def list_page(
    services: Services,
    context: RequestContext,
    server_id: str,
    page: Page,
    *,
    deleted: bool,
    since: datetime | None,
    before: datetime | None,
) -> list[Operation]:
    """Newest first; `deleted`: also of a server that is gone. Raises NotFound, InvalidRequest for a bad marker."""
    with services.db.read() as session:
        _instance(session, context, server_id, deleted)
        return server_actions.list_page(session, server_id, page, since=since, before=before)


def show(services: Services, context: RequestContext, server_id: str, request_id: str, *, deleted: bool) -> Shown:
    """Raises NotFound for the server, or a request that did nothing to it."""
    with services.db.read() as session:
        _instance(session, context, server_id, deleted)
        operation = operations.by_request(session, server_id, request_id)
        if operation is None:
            raise NotFound(f"Action for request_id {request_id[:64]} on instance {server_id} not found")
        return Shown(operation, operations.events(session, [operation.id]))


def _instance(session: Session, context: RequestContext, server_id: str, deleted: bool) -> Instance:
    found = instances.get(session, server_id, deleted=deleted)
    if not context.owns(found.project_id):
        raise NotFound(f"Instance {server_id} could not be found.")
    return found
