"""Operations of a server as instance actions, and their events; the tables say what came when."""

from __future__ import annotations

from api.compute.operations.instance_actions import Shown
from api.compute.views.fields import Body, Field, Reader, micros, prune
from api.compute.views.servers import host_id
from common.db.models import Operation, OperationEvent

ACTION_FIELDS = (
    Field("updated_at", since="2.58"),
    Field("events", since="2.51"),
    Field("events", admin=True),
)
EVENT_FIELDS = (
    Field("traceback", admin=True),
    Field("hostId", since="2.62"),
    Field("host", since="2.62", admin=True),
    Field("details", since="2.84"),
)


def action(operation: Operation, audience: Reader) -> Body:
    error = operation.error or {}
    body: Body = {
        "action": operation.action,
        "instance_uuid": operation.resource_id,
        "request_id": operation.request_id,
        "user_id": operation.user_id,
        "project_id": operation.project_id,
        "start_time": micros(operation.created_at),
        "updated_at": micros(operation.updated_at),
        "message": error.get("message") or None,
    }
    return prune(body, ACTION_FIELDS, audience)


def with_events(shown: Shown, audience: Reader) -> Body:
    body = action(shown.operation, audience)
    body["events"] = [_event(event, shown.operation, audience) for event in shown.events]
    return prune(body, ACTION_FIELDS, audience)


def _event(event: OperationEvent, operation: Operation, audience: Reader) -> Body:
    body: Body = {
        "event": event.name,
        "start_time": micros(event.started_at),
        "finish_time": micros(event.finished_at),
        "result": event.result or None,
        "traceback": event.detail or None,
        "hostId": host_id(operation.project_id, event.node_name),
        "host": event.node_name or "",
        "details": event.message if event.result == "Error" and event.message else None,
    }
    return prune(body, EVENT_FIELDS, audience)
