"""When an operation ends, told by the database at its commit.

Looking every two milliseconds took a third of the two cores that what is measured ran on.
"""

from __future__ import annotations

import select
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
import sqlalchemy as sa

from benchmarks.cloud import BenchCloud

_TOLD = """
CREATE OR REPLACE FUNCTION tell_of_an_end() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN PERFORM pg_notify('ended', NEW.resource_id); RETURN NULL; END $$;
CREATE OR REPLACE TRIGGER tell_of_an_end AFTER UPDATE OF state ON operations FOR EACH ROW
  WHEN (NEW.finished_at IS NOT NULL) EXECUTE FUNCTION tell_of_an_end();
LISTEN ended
"""
_OPEN = "SELECT count(*) FROM operations WHERE resource_id = %s AND state IN ('pending', 'running', 'unwinding')"
_LOOK_S = 0.05  # one may be told of while the count of those before it is on its way


@dataclass(frozen=True)
class Ends:
    connection: psycopg.Connection[Any]

    def wait(self, resource_id: str, deadline_s: float) -> None:
        """Until no operation of the resource is open: not the one asked for, nor what follows it. Raises RuntimeError."""
        until = time.monotonic() + deadline_s
        while self._open(resource_id):
            if time.monotonic() > until:
                raise RuntimeError(f"waited {deadline_s:g} s for the operations of {resource_id}")
            select.select([self.connection], [], [], _LOOK_S)

    def _open(self, resource_id: str) -> bool:
        row = self.connection.execute(_OPEN, (resource_id,)).fetchone()
        return bool(row and row[0])


@contextmanager
def told(cloud: BenchCloud) -> Iterator[Ends]:
    url = sa.make_url(cloud.config.database.url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in _TOLD.split(";\n"):
            connection.execute(statement)
        yield Ends(connection)
