"""`cumulet db migrate --bootstrap`: tables, keys, first users; passwords only in a private file."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from cli.db import Passwords, PasswordsError, bootstrap, migrate
from common.config import Config
from common.db import migrate as revisions
from common.db.models import User
from common.db.session import Database
from common.passwords import passwords_for
from common.secret import Secret
from tests.fixtures.api import make_config, user_id


@pytest.fixture
def settings(tmp_path: Path) -> Config:
    return make_config(tmp_path, f"sqlite:///{tmp_path / 'cloud.sqlite'}")


def test_passwords_are_made_once_and_kept_private(settings: Config, tmp_path: Path) -> None:
    file = tmp_path / "passwords.json"
    first = migrate(settings)
    assert first[0] == f"database: revision none -> {revisions.newest()}"
    lines = bootstrap(settings, Passwords(file, {"CUMULET_DEMO_PASSWORD": "from the environment"}))
    kept = json.loads(file.read_text())
    assert set(kept) == {"admin"}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not any(kept["admin"] in line for line in lines)
    assert "password of admin: generated, in the password file" in lines
    database = Database(settings.database)
    with database.read() as session:
        for name, password in (("admin", kept["admin"]), ("demo", "from the environment")):
            user = session.get(User, user_id(settings, name))
            assert user is not None
            assert passwords_for(settings.identity).verify(Secret(password), user.password_hash)
    database.close()

    assert migrate(settings)[0] == f"database: revision {revisions.newest()}"
    bootstrap(settings, Passwords(None, {}))
    bootstrap(settings, Passwords(file, {}))
    assert json.loads(file.read_text()) == kept


def test_a_password_that_could_be_kept_nowhere_is_not_made(settings: Config) -> None:
    migrate(settings)
    with pytest.raises(PasswordsError, match="CUMULET_ADMIN_PASSWORD"):
        bootstrap(settings, Passwords(None, {}))


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "passwords.json"
    file.write_text('{"admin": "x"}')
    file.chmod(0o644)
    with pytest.raises(PasswordsError, match="chmod 600"):
        Passwords(file, {})
    file.chmod(0o600)
    assert Passwords(file, {})["admin"].reveal() == "x"
    for text in ("[]", "{", '{"admin": 3}'):
        file.write_text(text)
        with pytest.raises(PasswordsError):
            Passwords(file, {})
