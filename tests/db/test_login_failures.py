"""The back-off counts every failure, also those of several workers at once (AUTH-09)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from common.config import Config
from common.db import login_failures
from common.db.login_failures import State
from common.db.models import LoginFailure
from common.db.session import Database

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_no_failure_is_lost_between_workers(config: Config, database_url: str) -> None:
    databases = [Database(config.database) for _ in range(2)]
    key = login_failures.account_key("user", "x")

    def fail(number: int) -> None:
        databases[number % 2].run(lambda session: login_failures.record(session, key, NOW))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(fail, range(24)))
    with databases[0].read() as session:
        assert session.scalars(sa.select(LoginFailure.count)).one() == 24
        assert login_failures.state_of(session, key, NOW) is State.BLOCKED
        longest = NOW + timedelta(seconds=login_failures.LONGEST_BLOCK_S)
        assert login_failures.state_of(session, key, longest) is State.FAILED_BEFORE
    for database in databases:
        database.close()


def test_old_failures_are_forgotten_and_purged(config: Config, database_url: str) -> None:
    database = Database(config.database)
    for name in ("a", "b"):
        key = login_failures.account_key("unknown", name)
        database.run(lambda session, key=key: login_failures.record(session, key, NOW))
    later = NOW + timedelta(seconds=login_failures.FORGET_S + 1)
    database.run(lambda session: login_failures.record(session, login_failures.account_key("unknown", "a"), later))
    with database.read() as session:
        assert session.scalars(sa.select(LoginFailure.count)).all() == [1]
    database.close()
