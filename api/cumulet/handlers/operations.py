"""Operations: parse, call, render."""

from __future__ import annotations

from typing import Any

from api.cumulet.operations import operations
from api.cumulet.schemas import queries
from api.cumulet.views.operations import operation_body, operation_with_events
from api.request import ApiRequest, Reply
from common.db.paging import Page


def list_operations(request: ApiRequest) -> Reply:
    """`next_marker` is there when there may be more."""
    page = Page(limit=queries.limit(request), marker=queries.marker(request))
    found = operations.list_operations(
        request.services,
        request.context,
        states=queries.states(request),
        resource_id=queries.resource(request),
        all_projects=queries.flag(request, "all_projects"),
        stuck=queries.flag(request, "stuck"),
        page=page,
    )
    body: dict[str, Any] = {
        "operations": [operation_body(item, is_admin=request.context.is_admin) for item in found],
        "next_marker": found[-1].id if found and len(found) == page.limit else None,
    }
    return Reply(body)


def show(request: ApiRequest, operation_id: str) -> Reply:
    operation, events = operations.show(request.services, request.context, operation_id)
    return Reply({"operation": operation_with_events(operation, events, is_admin=request.context.is_admin)})
