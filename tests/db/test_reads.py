"""Reads: what they can't do, and that they leave the connection as good as they found it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from common.config import DatabaseConfig
from common.db.base import UtcDateTime
from common.db.models import QuotaUsage
from common.db.session import Database
from common.errors import DatabaseUnavailable

PREPARED_AFTER = 6  # executions on one connection, by psycopg's prepare_threshold


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    made = Database(DatabaseConfig(url=database_url, pool_size=1, max_overflow=0))
    yield made
    made.close()


def _write(database: Database) -> None:
    row = {"project_id": "by-mistake", "resource": "cores", "in_use": 1}
    with database.read() as session:
        session.execute(sa.insert(QuotaUsage), [row])


def test_what_a_read_writes_by_mistake_is_not_kept(database: Database) -> None:
    if database.is_sqlite:
        _write(database)
    else:
        with pytest.raises(DatabaseUnavailable) as told:  # as a standby answers a write
            _write(database)
        assert "read-only" in told.value.detail
    with database.read() as session:
        assert not session.scalars(sa.select(QuotaUsage).where(QuotaUsage.project_id == "by-mistake")).all()


def test_a_write_follows_a_read_on_the_same_connection(database: Database) -> None:
    with database.read() as session:
        session.scalars(sa.select(QuotaUsage)).all()
    with database.write() as session:
        session.add(QuotaUsage(project_id="meant", resource="cores", in_use=1))
    with database.read() as session:
        assert session.get_one(QuotaUsage, ("meant", "cores")).in_use == 1


def test_statements_stay_prepared_from_one_read_to_the_next(postgresql_url: str) -> None:
    database = Database(DatabaseConfig(url=postgresql_url, pool_size=1, max_overflow=0))
    for _ in range(PREPARED_AFTER + 1):
        with database.read() as session:
            session.scalars(sa.select(QuotaUsage)).all()
    with database.read() as session:
        prepared = session.scalars(sa.text("SELECT statement FROM pg_prepared_statements")).all()
    database.close()
    assert any("quota_usage" in statement for statement in prepared)


def test_times_are_read_in_utc_whatever_zone_the_database_is_in(postgresql_url: str) -> None:
    url = sa.make_url(postgresql_url)
    zoned = url.update_query_dict({"options": "-c timezone=Asia/Tokyo"}).render_as_string(hide_password=False)
    database = Database(DatabaseConfig(url=zoned, pool_size=1, max_overflow=0))
    late = datetime(2026, 1, 1, 23, tzinfo=UTC)
    with database.read() as session:
        read = session.scalars(sa.select(sa.literal(late, UtcDateTime))).one()
    database.close()
    assert (read, read.hour, read.tzname()) == (late, 23, "UTC")
