"""Schema revisions: bring a database to the newest, ask where it is, compare it with the models, write the next one.

`cumulet db migrate` calls `upgrade`. A developer who changed a model runs `python -m common.db.migrate revision
"what changes"`, which needs no database: it compares the models with what the revisions so far lead to.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config as AlembicConfig
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from common.config import DatabaseConfig
from common.db import models
from common.db.base import Base
from common.db.session import Database

_FOLDER = Path(__file__).parent / "migrations"
VERSIONS = _FOLDER / "versions"
NEWEST = "head"


def upgrade(url: str, revision: str = NEWEST, versions: Path = VERSIONS) -> None:
    """Run the revisions that are missing, in one transaction; nothing to do is fine."""
    command.upgrade(_config(url, versions), revision)


def downgrade(url: str, revision: str, versions: Path = VERSIONS) -> None:
    """Go back; `base` is the empty database."""
    command.downgrade(_config(url, versions), revision)


def current(url: str) -> str | None:
    """The revision a database is at; None when it was never migrated."""
    database = Database(DatabaseConfig(url=url))
    try:
        with database.engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision()
    finally:
        database.close()


def newest(versions: Path = VERSIONS) -> str | None:
    """The revision this code needs."""
    return ScriptDirectory.from_config(_config("", versions)).get_current_head()


def differences(url: str) -> list[Any]:
    """What Alembic finds different between a database and the models; empty when they agree."""
    database = Database(DatabaseConfig(url=url))
    try:
        with database.engine.connect() as connection:
            found: list[Any] = compare_metadata(MigrationContext.configure(connection), Base.metadata)
            return found
    finally:
        database.close()


def make_revision(message: str, versions: Path = VERSIONS) -> Path | None:
    """Write the revision that leads from the newest one to the models; None when they already agree."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/scratch.sqlite"
        upgrade(url, versions=versions)
        if not differences(url):
            return None
        number = len(list(versions.glob("[0-9]*.py"))) + 1
        script = command.revision(_config(url, versions), message, autogenerate=True, rev_id=f"{number:04d}")
    assert script is not None
    assert not isinstance(script, list)
    return Path(str(script.path))


def _config(url: str, versions: Path) -> AlembicConfig:
    assert models.__all__, "importing the models is what fills the metadata"
    config = AlembicConfig()
    config.set_main_option("script_location", str(_FOLDER))
    config.set_main_option("version_locations", str(versions))
    config.set_main_option("path_separator", "newline")
    config.attributes["url"] = url
    return config


def _main(arguments: list[str]) -> int:
    if len(arguments) != 2 or arguments[0] != "revision":
        sys.stderr.write('usage: python -m common.db.migrate revision "what changes"\n')
        return 2
    made = make_revision(arguments[1])
    sys.stdout.write(
        f"wrote {made}; read it before you commit it\n" if made else "the models and the revisions agree\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
