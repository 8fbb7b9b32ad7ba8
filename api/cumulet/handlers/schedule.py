"""Dry run of placement: parse, call, render."""

from __future__ import annotations

from api.cumulet.operations import schedule
from api.cumulet.operations.schedule import Question
from api.cumulet.schemas.schedule import DRY_RUN
from api.request import ApiRequest, Reply
from api.schema import validate


def dry_run(request: ApiRequest) -> Reply:
    validate(request.body, DRY_RUN)
    asked = request.body["schedule"]
    count = int(asked.get("count", 1))
    question = Question(asked["flavor"], asked.get("image"), count, asked.get("availability_zone"), asked.get("node"))
    found = schedule.dry_run(request.services, request.context, question)
    placed = sum(placement["chosen"] is not None for placement in found)
    return Reply({"schedule": {"count": count, "placed": placed, "placements": found}})
