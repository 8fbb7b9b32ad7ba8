"""Use over a period, for billing: read in bounded pages, grouped by project."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from api.request import Services
from common.db import server_actions
from common.db.server_actions import Use
from common.errors import InvalidRequest

DEFAULT_PERIOD = timedelta(days=28)


@dataclass(frozen=True)
class Period:
    start: datetime
    stop: datetime


def period(start: datetime | None, stop: datetime | None, now: datetime) -> Period:
    """The period asked for, else the last 28 days. Raises InvalidRequest when it ends before it begins."""
    end = stop or now
    begin = start or end - DEFAULT_PERIOD
    if begin >= end:
        raise InvalidRequest("Invalid start time. The start time cannot occur after the end time.")
    return Period(begin, end)


def of_project(services: Services, project_id: str, when: Period, limit: int, marker: str | None) -> Sequence[Use]:
    """Raises InvalidRequest for an unknown marker."""
    with services.db.read() as session:
        return server_actions.uses(
            session, start=when.start, stop=when.stop, project_id=project_id, limit=limit, marker=marker
        )


def by_project(services: Services, when: Period, limit: int, marker: str | None) -> dict[str, list[Use]]:
    """Of all projects that used something. Raises InvalidRequest for an unknown marker."""
    found: dict[str, list[Use]] = {}
    with services.db.read() as session:
        for use in server_actions.uses(
            session, start=when.start, stop=when.stop, project_id=None, limit=limit, marker=marker
        ):
            found.setdefault(use.project_id, []).append(use)
    return found
