"""Engines, transactions and their retry: the only place that begins or commits one.

Callers own the transaction: `with db.write() as session:` in an operation, a saga step or a reconciler. A write
transaction on SQLite begins with BEGIN IMMEDIATE, because a read that turns into a write fails at once otherwise;
PostgreSQL runs at READ COMMITTED. Engines are made after fork: call Database(...) in the worker, never at import.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import DataError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from common import log
from common.clock import Clock, SystemClock
from common.config import DatabaseConfig
from common.errors import DatabaseUnavailable, InvalidRequest
from common.rpc.events_v1 import Event

logger = logging.getLogger(__name__)
T = TypeVar("T")
RETRIES = 4
PROBE_AFTER_S = 0.5  # a connection unused for so long is tried before it is used
#: serialization failure, deadlock: the same transaction may succeed the next moment
_LOST_RACE = {"40001", "40P01"}
#: admin_shutdown, crash_shutdown, cannot_connect_now, too_many_connections, read only (a standby that is not promoted)
_UNAVAILABLE = {"57P01", "57P02", "57P03", "53300", "25006"}
_CONNECTION_CLASS = "08"
_EVENTS = "cumulet_events"  # in a session's info: what to tell of once it is committed
#: The tables fit in memory and every query is short: an index costs next to nothing, a second process or a compiler much.
#: Without it the thousand ports of a list are looked for by three processes in all ports there are.
_PLANNER = "-c random_page_cost=1.1 -c max_parallel_workers_per_gather=0 -c jit=off"
#: a list of a thousand servers reads thousands of JSON values
_JSON: dict[str, Any] = {
    "json_serializer": lambda value: msgspec.json.encode(value).decode(),
    "json_deserializer": msgspec.json.decode,
}


class Database:
    """One per process. `statements` counts what was sent, so that tests can bound it per request."""

    def __init__(self, config: DatabaseConfig, clock: Clock | None = None) -> None:
        self.clock = clock or SystemClock()
        self.statements = 0
        self._tell: Callable[[Event], None] | None = None
        self.is_sqlite = config.url.startswith("sqlite")
        self.engine = _sqlite_engine(config) if self.is_sqlite else _postgresql_engine(config, self.clock)
        self._writer = self.engine.execution_options(cumulet_begin="BEGIN IMMEDIATE")
        # A statement of its own each: at READ COMMITTED a transaction round them would cost two round trips for nothing.
        self._reader = self.engine if self.is_sqlite else self.engine.execution_options(isolation_level="AUTOCOMMIT")
        sa.event.listen(self.engine, "before_cursor_execute", self._count)

    def _count(self, *_: Any) -> None:
        self.statements += 1

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A read; anything written by mistake is refused (PostgreSQL) or rolled back (SQLite).

        Raises InvalidRequest as `write` does, and DatabaseUnavailable when the connection is lost or there is none.
        """
        with _unavailability_told(), self._reading(self._reader) as session:
            yield session

    @contextmanager
    def snapshot(self) -> Iterator[Session]:
        """As `read`, but every statement sees the database as it was at the first one, whatever others write meanwhile."""
        whole: dict[str, Any] = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        engine = self.engine if self.is_sqlite else self.engine.execution_options(**whole)
        with _unavailability_told(), self._reading(engine) as session:
            yield session

    @contextmanager
    def _reading(self, engine: sa.Engine) -> Iterator[Session]:
        with _values_checked(), Session(engine, expire_on_commit=False, autoflush=False) as session:
            yield session
            session.expunge_all()  # a rollback expires what the session holds; rows leave as plain values
            if self.is_sqlite:
                session.rollback()
            else:  # at a rollback psycopg forgets its prepared statements, and the server plans each of them anew
                session.commit()

    def tell_by(self, publish: Callable[[Event], None]) -> None:
        """Have the events of each transaction (`tell`) published after its commit. `publish` must not raise."""
        self._tell = publish

    @contextmanager
    def write(self) -> Iterator[Session]:
        """One transaction: committed when the block ends, rolled back when it raises.

        Raises InvalidRequest for a value that the database can't hold.
        """
        with _values_checked(), Session(self._writer, expire_on_commit=False) as session, session.begin():
            yield session
        if self._tell is not None:
            for event in session.info.get(_EVENTS, ()):
                self._tell(event)

    def run(self, work: Callable[[Session], T]) -> T:
        """Run `work` in a write transaction, again when the database says that it lost a race or its connection.

        The only place with database retry: RETRIES times, with backoff. `work` must have no effect but on the session.
        A connection lost in the commit itself is not tried again, because nobody can say whether it was committed.
        Raises DatabaseUnavailable then, when the database does not come back in time, and when every race was lost.
        """
        for attempt in range(RETRIES):
            committing = False
            try:
                with self.write() as session:
                    result = work(session)
                    committing = True
                return result
            except PoolTimeout as err:
                raise DatabaseUnavailable("All database connections are in use; try again.", detail=str(err)) from err
            except DBAPIError as err:
                if not is_transient(err):
                    raise
                if is_unavailable(err) and (committing or attempt == RETRIES - 1):
                    raise unavailable(err, committing=committing) from err
                if attempt == RETRIES - 1:  # no failure of the work: it goes on when there is less going on
                    raise DatabaseUnavailable(
                        "The database is too busy with others; try again.", detail=str(err.orig)
                    ) from err
                log.event(logger, "db.retry", logging.WARNING, attempt=attempt + 1, reason=type(err).__name__)
                self.clock.sleep(0.02 * 2**attempt * (0.5 + random.random()))
        raise AssertionError("unreachable")

    def close(self) -> None:
        self.engine.dispose()


def tell(session: Session, event: Event) -> None:
    """Have an event published once this transaction is committed; never, if it is rolled back."""
    session.info.setdefault(_EVENTS, []).append(event)


@contextmanager
def _values_checked() -> Iterator[None]:
    """A value that PostgreSQL can't hold (a NUL in a text, a number out of range) is the request's fault, not ours."""
    try:
        yield
    except DataError as err:
        raise InvalidRequest("A value in the request can't be stored or compared.", detail=str(err.orig)) from err


@contextmanager
def _unavailability_told() -> Iterator[None]:
    try:
        yield
    except PoolTimeout as err:
        raise DatabaseUnavailable("All database connections are in use; try again.", detail=str(err)) from err
    except DBAPIError as err:
        if is_unavailable(err):
            raise unavailable(err, committing=False) from err
        raise


def unavailable(err: DBAPIError, *, committing: bool) -> DatabaseUnavailable:
    """The error for a database that can't be reached or has hung up."""
    told = "The database did not answer" if not committing else "The database did not say whether it kept the change"
    return DatabaseUnavailable(f"{told}; try again.", detail=str(err.orig)[:500], committing=committing)


def is_transient(err: DBAPIError) -> bool:
    """True for a serialization failure, a deadlock, a busy SQLite or a lost connection: the same work may succeed."""
    if getattr(err.orig, "sqlstate", None) in _LOST_RACE or is_unavailable(err):
        return True
    return isinstance(err, OperationalError) and "locked" in str(err.orig)


def is_unavailable(err: DBAPIError) -> bool:
    """True when the server is not there, is shutting down or starting up, or the connection to it is lost."""
    if err.connection_invalidated:
        return True
    sqlstate = getattr(err.orig, "sqlstate", None)
    if sqlstate is not None:
        return sqlstate in _UNAVAILABLE or sqlstate.startswith(_CONNECTION_CLASS)
    # psycopg has no SQLSTATE for what it finds out by itself: refused, not there, closed unexpectedly
    return isinstance(err, OperationalError | InterfaceError) and "connection" in str(err.orig)


def _sqlite_engine(config: DatabaseConfig) -> sa.Engine:
    engine = sa.create_engine(
        config.url,
        connect_args={"timeout": config.busy_timeout_ms / 1000, "check_same_thread": False},
        pool_size=config.pool_size,
        max_overflow=-1,
        **_JSON,
    )

    @sa.event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we begin transactions ourselves, below
        for pragma in (
            "journal_mode=WAL",
            f"busy_timeout={config.busy_timeout_ms}",
            "foreign_keys=ON",
            "synchronous=FULL",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get("cumulet_begin", "BEGIN"))

    return engine


def _postgresql_engine(config: DatabaseConfig, clock: Clock) -> sa.Engine:
    engine = sa.create_engine(
        config.url,
        isolation_level="READ COMMITTED",
        pool_size=config.pool_size,
        max_overflow=config.max_overflow,
        connect_args={} if "options" in sa.make_url(config.url).query else {"options": _PLANNER},
        **_JSON,
    )

    @sa.event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        """Times are read as the connection gives them (base.UtcDateTime). Only a transaction that is begun may write."""
        connection.execute("SET TIME ZONE 'UTC'")
        connection.execute("SET default_transaction_read_only = on")
        connection.commit()
        connection.read_only = False

    @sa.event.listens_for(engine, "checkin")
    def _note(_connection: Any, record: Any) -> None:
        record.info["idle_since"] = clock.monotonic()

    @sa.event.listens_for(engine, "checkout")
    def _probe(connection: Any, record: Any, _proxy: Any) -> None:
        """pool_pre_ping, but not for connections that worked a moment ago: a round trip for every transaction."""
        idle_since = record.info.get("idle_since")
        if idle_since is None or clock.monotonic() - idle_since < PROBE_AFTER_S:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as err:
            raise sa.exc.InvalidatePoolError from err  # the pool connects anew, and so do all its others

    return engine
