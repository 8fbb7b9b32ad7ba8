"""A freshly migrated database is what the models say, and every revision can be undone and done again."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from common.config import DatabaseConfig
from common.db import migrate
from common.db.base import Base
from common.db.session import Database


def _tables(url: str) -> set[str]:
    database = Database(DatabaseConfig(url=url))
    try:
        return set(sa.inspect(database.engine).get_table_names())
    finally:
        database.close()


def test_the_revisions_lead_to_the_models(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/cloud.sqlite"
    assert migrate.current(url) is None
    migrate.upgrade(url)
    assert migrate.current(url) == migrate.newest()
    assert migrate.differences(url) == []


def test_up_down_up(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/cloud.sqlite"
    migrate.upgrade(url)
    migrate.downgrade(url, "base")
    assert _tables(url) == {"alembic_version"}
    migrate.upgrade(url)
    assert migrate.differences(url) == []


def test_a_revision_is_written_from_the_models_alone(tmp_path: Path) -> None:
    versions = tmp_path / "versions"
    versions.mkdir()
    made = migrate.make_revision("initial tables", versions)
    assert made is not None
    assert made.name == "0001_initial_tables.py"
    text = made.read_text()
    assert "common" not in text, "a revision must not depend on code that changes"
    url = f"sqlite:///{tmp_path}/cloud.sqlite"
    migrate.upgrade(url, versions=versions)
    assert _tables(url) == {*Base.metadata.tables, "alembic_version"}
    assert migrate.differences(url) == []
    migrate.downgrade(url, "base", versions)
    migrate.upgrade(url, versions=versions)
    assert migrate.differences(url) == []
    assert migrate.make_revision("nothing", versions) is None


def test_a_migration_keeps_rows_that_refer_to_a_rebuilt_table(tmp_path: Path) -> None:
    """SQLite rebuilds a table to change it; with foreign keys on, dropping the old one would delete its children."""
    versions = tmp_path / "versions"
    versions.mkdir()
    migrate.make_revision("initial tables", versions)
    url = f"sqlite:///{tmp_path}/cloud.sqlite"
    migrate.upgrade(url, versions=versions)
    database = Database(DatabaseConfig(url=url))
    with database.write() as session:
        session.execute(
            sa.text(
                "INSERT INTO images (id, status, visibility, min_disk, min_ram, protected, os_hidden, properties,"
                " created_at, updated_at) VALUES ('i', 'queued', 'shared', 0, 0, 0, 0, '{}', "
                "'2026-01-01', '2026-01-01')"
            )
        )
        session.execute(sa.text("INSERT INTO image_tags (image_id, tag) VALUES ('i', 't')"))
    database.close()
    (versions / "0002_rebuild.py").write_text(
        "import sqlalchemy as sa\nfrom alembic import op\nrevision = '0002'\ndown_revision = '0001'\n"
        "def upgrade():\n    with op.batch_alter_table('images', recreate='always') as batch:\n"
        "        batch.alter_column('name', type_=sa.String(300))\n"
        "def downgrade():\n    pass\n"
    )
    migrate.upgrade(url, versions=versions)
    database = Database(DatabaseConfig(url=url))
    with database.read() as session:
        assert session.execute(sa.text("SELECT tag FROM image_tags")).scalars().all() == ["t"]
    database.close()
