"""Microversions of answers: views build the newest form, a table of fields prunes it to what was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from api.microversion import Microversion
from api.request import ApiRequest

Body = dict[str, Any]


@dataclass(frozen=True)
class Field:
    """since and until are inclusive microversions; admin: only administrators see it. Unlisted fields always stay."""

    name: str
    since: str | None = None
    until: str | None = None
    admin: bool = False


@dataclass(frozen=True)
class Reader:
    """For whom an answer is made: where its links begin, in which microversion, and how much may be told."""

    base_url: str
    version: Microversion
    is_admin: bool
    now: datetime
    node_down_after_s: float

    def at_least(self, version: str) -> bool:
        return _at_least(self.version.major, self.version.minor, version)


@lru_cache(maxsize=4096)
def _at_least(major: int, minor: int, version: str) -> bool:
    """Asked for every server of a list."""
    return Microversion(major, minor) >= Microversion.parse(version)


def reader(request: ApiRequest) -> Reader:
    return Reader(
        base_url=request.base_url,
        version=request.version,
        is_admin=request.context.is_admin,
        now=request.services.clock.now(),
        node_down_after_s=request.services.config.scheduler.node_down_after_s,
    )


def prune(body: Body, fields: tuple[Field, ...], audience: Reader) -> Body:
    """Take away, in place, what this reader's microversion doesn't have or what isn't for its eyes."""
    for name in hidden(fields, audience.version, audience.is_admin):
        body.pop(name, None)
    return body


@lru_cache(maxsize=4096)
def hidden(fields: tuple[Field, ...], version: Microversion, is_admin: bool) -> tuple[str, ...]:
    """Names that are not shown; one row of a name that fits is enough to show it."""
    shown = {field.name for field in fields if _fits(field, version, is_admin)}
    return tuple({field.name for field in fields} - shown)


def _fits(field: Field, version: Microversion, is_admin: bool) -> bool:
    if field.admin and not is_admin:
        return False
    if field.since is not None and version < Microversion.parse(field.since):
        return False
    return field.until is None or version <= Microversion.parse(field.until)


def seconds(at: datetime | None) -> str | None:
    """2026-01-01T00:00:00Z"""
    if at is None:
        return None
    # half of what isoformat takes, three times for each server of a list
    return "%04d-%02d-%02dT%02d:%02d:%02dZ" % (at.year, at.month, at.day, at.hour, at.minute, at.second)  # noqa: UP031


def micros(at: datetime | None) -> str | None:
    """2026-01-01T00:00:00.000000, as Nova shows the times of actions, services and usage."""
    return None if at is None else at.replace(tzinfo=None).isoformat(timespec="microseconds")
