"""How Alembic runs here: on the URL that common/db/migrate.py hands over, in one transaction, on our own metadata."""

from __future__ import annotations

from typing import Any, Literal

import sqlalchemy as sa
from alembic import context
from alembic.autogenerate.api import AutogenContext

from common.config import DatabaseConfig
from common.db import models
from common.db.base import Base, UtcDateTime
from common.db.session import Database

_LOCK = 0x63756D75  # PostgreSQL advisory lock: two hosts upgrading at once take turns


def render_item(kind: str, item: Any, _autogen: AutogenContext) -> str | Literal[False]:
    """Revisions name plain SQLAlchemy types, so that they never change with our code."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    return False


def run(database: Database) -> None:
    with database.engine.connect() as connection:
        if database.is_sqlite:
            # A table that is rebuilt is dropped first, which must not cascade; only settable outside a transaction.
            driver: Any = connection.connection.driver_connection
            driver.execute("PRAGMA foreign_keys=OFF")
        with connection.begin():
            if not database.is_sqlite:
                connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            context.configure(
                connection=connection,
                target_metadata=Base.metadata,
                render_as_batch=database.is_sqlite,
                render_item=render_item,
                compare_type=True,
                transactional_ddl=True,
            )
            with context.begin_transaction():
                context.run_migrations()


_database = Database(DatabaseConfig(url=context.config.attributes["url"]))
try:
    assert models.__all__, "importing the models is what fills the metadata"
    run(_database)
finally:
    _database.close()
