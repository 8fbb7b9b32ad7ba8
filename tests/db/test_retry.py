"""Connections that are lost: tried again where that is safe, told as DatabaseUnavailable where it is not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.config import DatabaseConfig
from common.db.models import QuotaLimit
from common.db.session import RETRIES, Database
from common.errors import DatabaseUnavailable
from tests.fixtures.api import ApiClient

pytestmark = pytest.mark.postgresql
HANG_UP = sa.text("SELECT pg_terminate_backend(:pid)")


class Hanger:
    """Lets the server hang up on one database's sessions, as its restart does."""

    def __init__(self, url: str) -> None:
        self.db = Database(DatabaseConfig(url=url))
        self._other = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        self.left = 0
        self.when_committing = False

    def hang_up_on(self, session: Session) -> None:
        """Once for each of `left`."""
        if self.left > 0:
            self.left -= 1
            self._kill(session.connection())

    def _kill(self, connection: sa.Connection) -> None:
        pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        with self._other.connect() as other:
            other.execute(HANG_UP, {"pid": pid})

    def on_commit(self, connection: sa.Connection) -> None:
        if self.when_committing:
            self.when_committing = False
            self._kill(connection)


@pytest.fixture
def hanger(postgresql_url: str) -> Iterator[Hanger]:
    made = Hanger(postgresql_url)
    sa.event.listen(made.db._writer, "commit", made.on_commit)
    yield made
    made.db.close()


def _limit(resource: str) -> QuotaLimit:
    return QuotaLimit(project_id="p", resource=resource, limit=1)


def _limits(db: Database) -> list[str]:
    with db.read() as session:
        return sorted(session.scalars(sa.select(QuotaLimit.resource)))


def test_work_is_done_once_when_the_connection_was_lost_before_the_commit(hanger: Hanger) -> None:
    hanger.left = 2

    def work(session: Session) -> str:
        session.add(_limit("a"))
        session.flush()
        hanger.hang_up_on(session)
        session.add(_limit("b"))
        session.flush()
        return "done"

    assert hanger.db.run(work) == "done"
    assert (hanger.left, _limits(hanger.db)) == (0, ["a", "b"])


def test_a_commit_that_may_have_happened_is_not_tried_again(hanger: Hanger) -> None:
    runs = []

    def work(session: Session) -> None:
        runs.append(1)
        session.add(_limit(f"run{len(runs)}"))
        hanger.when_committing = True

    with pytest.raises(DatabaseUnavailable) as told:
        hanger.db.run(work)
    assert (len(runs), told.value.facts["committing"]) == (1, True)
    assert _limits(hanger.db) == []


def test_work_that_loses_every_race_has_not_failed(database_url: str) -> None:
    """Deadlocks and a locked file are told as a database that has no time, after as many tries as there are."""
    db = Database(DatabaseConfig(url=database_url, busy_timeout_ms=1))
    runs = []

    def work(session: Session) -> None:
        runs.append(1)
        session.execute(sa.text("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40P01'; END $$"))

    if not db.is_sqlite:
        with pytest.raises(DatabaseUnavailable, match="busy"):
            db.run(work)
        assert len(runs) == RETRIES
        return
    with db.write() as holder:
        holder.execute(sa.text("SELECT 1"))  # the transaction begins with its first statement, and has the file's lock
        with pytest.raises(DatabaseUnavailable, match="busy"):
            db.run(lambda session: session.add(_limit("a")))


def test_a_read_that_loses_its_connection_says_so(hanger: Hanger) -> None:
    hanger.left = 1

    def read() -> None:
        with hanger.db.read() as session:
            hanger.hang_up_on(session)
            session.scalars(sa.select(QuotaLimit)).all()

    with pytest.raises(DatabaseUnavailable):
        read()
    assert _limits(hanger.db) == []


@pytest.mark.parametrize("host", ["/nonexistent", "127.0.0.1&port=1"])
def test_a_server_that_is_not_there(host: str) -> None:
    db = Database(DatabaseConfig(url=f"postgresql+psycopg://cumulet@/t?host={host}"))
    with pytest.raises(DatabaseUnavailable):
        db.run(lambda session: session.execute(sa.text("SELECT 1")))
    with pytest.raises(DatabaseUnavailable), db.read() as session:
        session.execute(sa.text("SELECT 1"))


def test_a_snapshot_does_not_see_what_is_committed_meanwhile(database_url: str) -> None:
    db = Database(DatabaseConfig(url=database_url))
    query = sa.select(sa.func.count()).select_from(QuotaLimit)
    with db.snapshot() as session:
        before = session.scalar(query)
        db.run(lambda other: other.add(_limit("late")))
        assert session.scalar(query) == before
    assert _limits(db) == ["late"]
    db.close()


def test_the_api_answers_503_with_retry_after(api_client: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    api_client.token("demo")

    def gone(*_: Any, **__: Any) -> Any:
        raise sa.exc.OperationalError("SELECT 1", {}, ConnectionError("connection refused"))

    monkeypatch.setattr(api_client.services.db.engine.pool, "_do_get", gone)
    monkeypatch.setattr(sa.pool.Pool, "connect", gone)
    reply = api_client.get("/compute/v2.1/servers/detail")
    assert (reply.status_code, reply.headers["Retry-After"]) == (503, "1")
    assert "database" in reply.json["serviceUnavailable"]["message"]
