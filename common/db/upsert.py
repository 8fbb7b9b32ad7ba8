"""INSERT … ON CONFLICT DO NOTHING, the same on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
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
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    key = sa.inspect(model).primary_key
    if len(rows) == 1:  # the usual case, in a form whose SQL text is cached
        one = insert(cast(sa.Table, model.__table__)).on_conflict_do_nothing().returning(*key)
        return len(session.execute(one, rows[0]).all())
    inserted = session.execute(insert(model).values(list(rows)).on_conflict_do_nothing().returning(*key))
    return len(inserted.all())
