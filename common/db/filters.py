"""Query parameters as SQL conditions: only listed columns; several values of one mean any of them (RBAC-12)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Session

from common.db.base import UtcDateTime
from common.errors import InvalidRequest

Filters = Mapping[str, Sequence[str]]
RowT = TypeVar("RowT")
_WORDS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}


def apply(
    query: sa.Select[RowT], columns: Mapping[str, InstrumentedAttribute[Any]], filters: Filters
) -> sa.Select[RowT]:
    """`query` narrowed to rows that have one of the values of every filter. An empty value also finds NULL.

    Raises InvalidRequest for a value that the column can't have; names that aren't columns are the caller's.
    """
    for name, values in filters.items():
        if name in columns:
            query = query.where(_any_of(columns[name], [_convert(name, columns[name], value) for value in values]))
    return query


def among(session: Session, column: InstrumentedAttribute[str], ids: Sequence[str]) -> sa.ColumnElement[bool]:
    """column IN ids (which have no commas), as one parameter that is one text.

    A thousand parameters cost the driver and PostgreSQL's planner more than the query, a list half as much.
    """
    if session.get_bind().dialect.name == "sqlite":
        return column.in_(sa.select(sa.func.json_each(json.dumps(list(ids))).table_valued("value").c.value))
    listed = sa.func.string_to_array(sa.literal(",".join(ids)), ",", type_=sa.ARRAY(sa.String))
    return column == sa.any_(listed)


def _any_of(column: InstrumentedAttribute[Any], values: Sequence[Any]) -> sa.ColumnElement[bool]:
    known = [value for value in values if value is not None]
    condition: sa.ColumnElement[bool] = column.in_(known)
    if len(known) < len(values) or "" in known:
        condition = sa.or_(condition, column.is_(None))
    return condition


def _convert(name: str, column: InstrumentedAttribute[Any], text: str) -> Any:
    kind = column.type
    if len(text) > 255 or "\x00" in text:
        raise InvalidRequest(f"The value of filter {name!r} is not valid.")
    if isinstance(kind, sa.Boolean):
        if text.lower() not in _WORDS:
            raise InvalidRequest(f"Invalid input for {name}. Reason: {text[:40]!r} cannot be converted to boolean.")
        return _WORDS[text.lower()]
    if text == "" and not isinstance(kind, sa.String):
        return None
    try:
        if isinstance(kind, sa.Integer):
            number = int(text)
            if abs(number) >= 2**31:
                raise ValueError
            return number
        if isinstance(kind, UtcDateTime):
            parsed = datetime.fromisoformat(text)
            return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    except ValueError as err:
        raise InvalidRequest(f"Invalid input for {name}. Reason: {text[:40]!r} is not a valid value.") from err
    return text
