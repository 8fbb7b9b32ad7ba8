"""Aggregates in the newest form; FIELDS says what came when."""

from __future__ import annotations

from api.compute.operations.aggregates import Shown
from api.compute.views.fields import Body, Field, Reader, micros, prune
from common.db.aggregates import ZONE

FIELDS = (Field("uuid", since="2.41"),)


def aggregate(shown: Shown, audience: Reader) -> Body:
    return {**created(shown, audience), "hosts": list(shown.hosts), "metadata": dict(shown.aggregate.properties)}


def created(shown: Shown, audience: Reader) -> Body:
    """The answer to create has neither hosts nor metadata."""
    row = shown.aggregate
    body: Body = {
        "id": row.number,
        "uuid": row.id,
        "name": row.name,
        "availability_zone": row.properties.get(ZONE),
        "created_at": micros(row.created_at),
        "updated_at": micros(row.updated_at),
        "deleted": False,
        "deleted_at": None,
    }
    return prune(body, FIELDS, audience)
