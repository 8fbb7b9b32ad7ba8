"""INSERT … ON CONFLICT DO NOTHING, the same on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from common.db.base import Base


def insert(session: Session, row: object) -> None:
    """Write a new row of the caller's making at once, so that what refers to it can follow."""
    session.add(row)
    session.flush()


def insert_ignore(session: Session, model: type[Base], rows: Sequence[dict[str, Any]]) -> int:
    """Insert the rows that don't clash with a constraint; how many were inserted.

    Counted by RETURNING: for an INSERT of a mapped class psycopg's rowcount is -1.
    """
    if not rows:
        return 0
    dialect = session.get_bind().dialect.name
    if len(rows) == 1:  # the usual case
        return len(session.connection().execute(_insert_one(model, dialect), rows[0]).all())
    several = _insert(dialect)(model).values(list(rows))
    inserted = session.execute(several.on_conflict_do_nothing().returning(*sa.inspect(model).primary_key))
    return len(inserted.all())


@cache
def _insert_one(model: type[Base], dialect: str) -> Any:
    """Made once for a table: its SQL text is then found at once."""
    key = sa.inspect(model).primary_key
    return _insert(dialect)(cast(sa.Table, model.__table__)).on_conflict_do_nothing().returning(*key)


def _insert(dialect: str) -> Any:
    return sqlite.insert if dialect == "sqlite" else postgresql.insert
