"""Operations and their events. Tenants see nodes as hostId; details and leases are for administrators."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from api.compute.views.servers import host_id
from common.db.models import Operation, OperationEvent
from common.states import OPEN_OPERATION_STATES, OperationState


def operation_body(operation: Operation, *, is_admin: bool) -> dict[str, Any]:
    body = {
        "id": operation.id,
        "kind": operation.kind,
        "action": operation.action,
        "class": operation.operation_class,
        "state": operation.state,
        "step": operation.step,
        "attempt": operation.attempt,
        "resource_type": operation.resource_type,
        "resource_id": operation.resource_id,
        "project_id": operation.project_id,
        "user_id": operation.user_id,
        "request_id": operation.request_id,
        "global_request_id": operation.global_request_id,
        "cancel_requested": operation.cancel_requested,
        "error": _error(operation.error, is_admin=is_admin),
        "created_at": _time(operation.created_at),
        "updated_at": _time(operation.updated_at),
        "finished_at": _time(operation.finished_at),
    }
    if is_admin:
        body |= {
            "lease_owner": operation.lease_owner,
            "lease_until": _time(operation.lease_until),
            "lease_count": operation.lease_count,
            "run_at": _time(operation.run_at),
            "step_deadline": _time(operation.step_deadline),
            "waits_for_node": (operation.sent or {}).get("node"),
            "waits_for": _waits_for(operation),
        }
    return body


def operation_with_events(operation: Operation, events: Sequence[OperationEvent], *, is_admin: bool) -> dict[str, Any]:
    body = operation_body(operation, is_admin=is_admin)
    return {**body, "events": [_event(event, operation.project_id, is_admin=is_admin) for event in events]}


def _event(event: OperationEvent, project_id: str, *, is_admin: bool) -> dict[str, Any]:
    body: dict[str, Any] = {
        "name": event.name,
        "result": event.result or None,
        "message": event.message,
        "started_at": _time(event.started_at),
        "finished_at": _time(event.finished_at),
    }
    if is_admin:
        return {**body, "node": event.node_name, "detail": event.detail}
    return {**body, "node": host_id(project_id, event.node_name) or None}


def _waits_for(operation: Operation) -> str:
    """What has to happen before an open operation goes on, in words."""
    if operation.state not in OPEN_OPERATION_STATES:
        return "a person" if operation.state == OperationState.STUCK else ""
    if operation.lease_owner is not None:
        return f"scheduler {operation.lease_owner}, at work on it"
    if operation.sent is not None and operation.report is None:
        verb = "undo" if operation.state == OperationState.UNWINDING else "finish"
        return f"node {operation.sent['node']} to {verb} {operation.step}, asked {operation.attempt} times"
    return f"a scheduler, from {_time(operation.run_at)}"


def _error(error: dict[str, Any] | None, *, is_admin: bool) -> dict[str, Any] | None:
    if error is None or is_admin:
        return error
    return {"code": error.get("code", ""), "message": error.get("message", "")}


def _time(value: datetime | None) -> str | None:
    return value.isoformat(timespec="milliseconds") if value else None
