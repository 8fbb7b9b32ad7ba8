"""Pages put together are the whole list in order, whatever is sorted by, on both databases (DOS-04, DOS-10)."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from common.clock import SystemClock
from common.config import DatabaseConfig
from common.db import paging
from common.db.models import Image
from common.db.paging import Page
from common.db.session import Database
from common.errors import InvalidRequest
from common.ids import new_id

COLUMNS = {"name": Image.name, "size": Image.size, "created_at": Image.created_at, "id": Image.id}
COUNT = 40


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    made = Database(DatabaseConfig(url=database_url))
    rng, now = random.Random(3), SystemClock().now()
    with made.write() as session:
        for _ in range(COUNT):  # few different names and sizes, and NULLs among them: ties everywhere
            session.add(
                Image(
                    id=new_id(), name=rng.choice([None, "a", "B", "b", "ä", ""]), size=rng.choice([None, 1, 2**40]),
                    owner=rng.choice(["mine", "theirs"]), status="active", visibility="private", min_disk=0, min_ram=0,
                    properties={}, created_at=now, updated_at=now,
                )
            )  # fmt: skip
    yield made
    made.close()


def page(database: Database, wanted: Page, owner: str | None = None) -> list[str]:
    query = sa.select(Image)
    if owner:
        query = query.where(Image.owner == owner)
    with database.read() as session:
        found = paging.fetch(session, query, wanted, columns=COLUMNS, default=[("created_at", True)], key=Image.id)
        return [image.id for image in found]


SORTS: list[tuple[tuple[str, bool], ...]] = [
    (), (("name", False),), (("name", True),), (("size", True), ("name", False)), (("name", True), ("size", True)),
    (("id", False),), (("created_at", False), ("size", False), ("name", False)), (("name", False), ("name", True)),
]  # fmt: skip


@pytest.mark.parametrize("sort", SORTS)
def test_pages_add_up(database: Database, sort: tuple[tuple[str, bool], ...]) -> None:
    whole = page(database, Page(limit=1000, sort=sort))
    assert len(set(whole)) == COUNT
    for limit in (1, 7, COUNT):
        together: list[str] = []
        while True:
            marker = together[-1] if together else None
            found = page(database, Page(limit=limit, marker=marker, sort=sort))
            if not found:
                break
            assert len(found) <= limit
            together += found
        assert together == whole


def test_backwards(database: Database) -> None:
    sort = (("name", False), ("size", True))
    whole = page(database, Page(limit=1000, sort=sort))
    assert page(database, Page(limit=5, marker=whole[20], sort=sort, reverse=True)) == whole[15:20]
    assert page(database, Page(limit=1000, sort=sort, reverse=True)) == whole


def test_a_strangers_marker_is_unknown(database: Database) -> None:
    theirs = page(database, Page(limit=1), owner="theirs")[0]
    with pytest.raises(InvalidRequest) as strange:
        page(database, Page(limit=5, marker=theirs), owner="mine")
    with pytest.raises(InvalidRequest) as unknown:
        page(database, Page(limit=5, marker=new_id()), owner="mine")
    assert strange.value.message.partition("[")[0] == unknown.value.message.partition("[")[0]


@pytest.mark.parametrize("name", ["owner", "", "id; DROP TABLE images", "properties", "__class__", "metadata"])
def test_only_allowed_columns_sort(database: Database, name: str) -> None:
    with pytest.raises(InvalidRequest, match="is not allowed"):
        page(database, Page(limit=5, sort=((name, False),)))


@pytest.mark.parametrize("marker", ["' OR 1=1 --", "\x00", "x" * 10_000, "%", "\U0001f600"])
def test_odd_markers(database: Database, marker: str) -> None:
    with pytest.raises(InvalidRequest):
        page(database, Page(limit=5, marker=marker))


def test_two_statements_at_most(database: Database) -> None:
    marker: Any = page(database, Page(limit=1))[0]
    before = database.statements
    page(database, Page(limit=30, marker=marker))
    assert database.statements - before == 2 + database.is_sqlite  # where we say BEGIN ourselves
