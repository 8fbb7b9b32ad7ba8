"""Replies that say how old they are: since 1.15 every answer bears Last-Modified and forbids caches to keep it."""

from __future__ import annotations

from email.utils import format_datetime
from typing import Any

from api.microversion import Microversion
from api.request import ApiRequest, Reply


def reply(request: ApiRequest, body: Any, status: int = 200) -> Reply:
    if request.version < Microversion(1, 15):
        return Reply(body, status)
    now = request.services.clock.now()
    return Reply(body, status, {"Last-Modified": format_datetime(now, usegmt=True), "Cache-Control": "no-cache"})
