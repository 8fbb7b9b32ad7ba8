"""Operations: parse, call, render."""

from __future__ import annotations

from api.cumulet.operations import operations
from api.cumulet.schemas import queries
from api.cumulet.views.operations import operation_body, operation_with_events
from api.request import ApiRequest, Reply


def list_operations(request: ApiRequest) -> Reply:
    found = operations.list_operations(
        request.services,
        request.context,
        states=queries.states(request),
        resource_id=queries.resource(request),
        all_projects=queries.flag(request, "all_projects"),
        limit=queries.limit(request),
    )
    return Reply({"operations": [operation_body(item, is_admin=request.context.is_admin) for item in found]})


def show(request: ApiRequest, operation_id: str) -> Reply:
    operation, events = operations.show(request.services, request.context, operation_id)
    return Reply({"operation": operation_with_events(operation, events, is_admin=request.context.is_admin)})
