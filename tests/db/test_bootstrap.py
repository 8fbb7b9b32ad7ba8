"""The first things of a cloud: complete, idempotent, without a known secret (AUTH-11)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from common.bootstrap import bootstrap, derived_id
from common.config import Config
from common.db.base import Base
from common.db.models import Domain, Endpoint, Project, Role, User
from common.db.session import Database
from common.passwords import passwords_for
from common.secret import Secret

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FIRST = {"admin": Secret("first admin"), "demo": Secret("first demo")}


def contents(database: Database) -> dict[str, list[tuple[object, ...]]]:
    with database.read() as session:
        return {
            table.name: sorted((tuple(row) for row in session.execute(sa.select(table))), key=repr)
            for table in Base.metadata.sorted_tables
        }


def test_a_second_run_changes_nothing(config: Config, database_url: str) -> None:
    database = Database(config.database)
    with database.write() as session:
        for table in reversed(Base.metadata.sorted_tables):
            session.execute(sa.delete(table))
    with database.write() as session:
        bootstrap(session, config, NOW, FIRST)
    before = contents(database)
    with database.write() as session:
        bootstrap(session, config, NOW + timedelta(days=1), {})
    assert contents(database) == before
    assert len(before["assignments"]) == 4
    assert len(before["endpoints"]) == 24  # eight services, three interfaces each
    assert [row[1] for row in before["domains"]] == ["Default"]
    assert {row[3] for row in before["projects"]} == {"admin", "demo", "service"}
    assert "first admin" not in repr(before)
    database.close()


def test_passwords_are_never_reset_and_endpoints_follow_the_configuration(config: Config, sqlite_url: str) -> None:
    database = Database(config.database)
    with database.write() as session:
        user = session.get(User, derived_id(config, "users", "admin"))
        assert user is not None
        user.password_hash = passwords_for(config.identity).hash(Secret("changed since"))
        demo = session.get(User, derived_id(config, "users", "demo"))
        project = session.get(Project, derived_id(config, "projects", "demo"))
        assert demo is not None
        assert project is not None
        demo.name, project.name = "renamed", "renamed too"
    moved = replace(config, api=replace(config.api, public_url="http://10.0.0.1:8780/"))
    with database.write() as session:
        bootstrap(session, moved, NOW, {"admin": Secret("second")})
    with database.read() as session:
        user = session.get(User, derived_id(config, "users", "admin"))
        assert user is not None
        assert passwords_for(config.identity).verify(Secret("changed since"), user.password_hash)
        urls = set(session.scalars(sa.select(Endpoint.url)))
        assert "http://10.0.0.1:8780/identity/v3" in urls
        assert all(url.startswith("http://10.0.0.1:8780/") for url in urls)
        assert session.scalar(sa.select(sa.func.count()).select_from(Domain)) == 1
        assert set(session.scalars(sa.select(Role.name))) == {"admin", "manager", "member", "reader", "service"}
    database.close()


def test_two_clouds_share_no_id_and_two_installs_no_hash(config: Config) -> None:
    other = replace(config, cloud=replace(config.cloud, uuid="another"))
    assert derived_id(config, "users", "admin") != derived_id(other, "users", "admin")
    hasher = passwords_for(config.identity)
    assert hasher.hash(Secret("same")) != hasher.hash(Secret("same"))
