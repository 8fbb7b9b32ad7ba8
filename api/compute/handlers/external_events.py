"""POST /os-server-external-events."""

from __future__ import annotations

from api.compute.operations import external_events
from api.compute.operations.external_events import TAKEN, Event
from api.compute.schemas import external_events as schemas
from api.request import ApiRequest, Reply
from api.schema import validate
from common.errors import NotFound

SOME_TAKEN = 207


def create(request: ApiRequest) -> Reply:
    """200 when all were taken, 207 when some were. Raises NotFound when none was."""
    validate(request.body, schemas.create(request.version))
    asked = request.body["events"]
    events = [Event(one["name"], one["server_uuid"], one.get("status", "completed"), one.get("tag")) for one in asked]
    codes = external_events.take(request.services, events)
    if TAKEN not in codes:
        raise NotFound("No instances found for any event")
    bodies = [
        {**one, "status": event.status if code == TAKEN else "failed", "code": code}
        for one, event, code in zip(asked, events, codes, strict=True)
    ]
    return Reply({"events": bodies}, TAKEN if set(codes) == {TAKEN} else SOME_TAKEN)
