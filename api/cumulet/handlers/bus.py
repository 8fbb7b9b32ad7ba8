"""The message bus: parse, call, render."""

from __future__ import annotations

from api.cumulet.operations import bus
from api.cumulet.schemas import queries
from api.cumulet.views.bus import bus_body, dead_letter_body
from api.request import ApiRequest, Reply

MOST_DEAD_LETTERS = 100


def show(request: ApiRequest) -> Reply:
    return Reply({"bus": bus_body(bus.state(request.services))})


def dead_letters(request: ApiRequest) -> Reply:
    limit = min(queries.limit(request), MOST_DEAD_LETTERS)
    return Reply({"dead_letters": [dead_letter_body(each) for each in bus.dead_letters(request.services, limit)]})
