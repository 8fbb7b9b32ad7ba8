"""`cumulet db migrate`: bring the database to this code's revision, and with --bootstrap make the first users."""

from __future__ import annotations

import argparse
import json
import os
import secrets
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from cliff.command import Command

if TYPE_CHECKING:
    from common.config import Config
    from common.secret import Secret

ENVIRONMENT = "CUMULET_{}_PASSWORD"


class PasswordsError(Exception):
    """The passwords for the first users can't be had safely."""


class Migrate(Command):  # type: ignore[misc]
    """Create or upgrade the tables, and make the token keys if there are none."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--config", metavar="FILE", help="configuration file (default: $CUMULET_CONFIG)")
        parser.add_argument(
            "--bootstrap", action="store_true", help="also make the first domain, projects, roles, users and catalogue"
        )
        parser.add_argument(
            "--password-file",
            metavar="FILE",
            help="JSON object of user name to password, mode 0600; passwords that are needed and not there are made and"
            " added. CUMULET_ADMIN_PASSWORD and CUMULET_DEMO_PASSWORD come first",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        from common import config as configuration

        config = configuration.load(parsed_args.config)
        for line in migrate(config):
            self.app.stdout.write(line + "\n")
        if parsed_args.bootstrap:
            file = Path(parsed_args.password_file) if parsed_args.password_file else None
            for line in bootstrap(config, Passwords(file, os.environ)):
                self.app.stdout.write(line + "\n")


class Passwords(Mapping[str, "Secret"]):
    """Passwords by user name: from the environment, else from the file, else made up and written to the file.

    Only passwords that somebody looks up are made. Raises PasswordsError for a file that others can read, and for a
    password that would have to be made when no file was named to keep it.
    """

    def __init__(self, file: Path | None, env: Mapping[str, str]) -> None:
        self._file = file
        self._env = env
        self._known = _read_passwords(file) if file and file.exists() else {}
        self.made: list[str] = []

    def __getitem__(self, name: str) -> Secret:
        from common.secret import Secret

        given = self._env.get(ENVIRONMENT.format(name.upper())) or self._known.get(name)
        if given:
            return Secret(given)
        if self._file is None:
            raise PasswordsError(
                f"User {name} has to be made and needs a password: set {ENVIRONMENT.format(name.upper())},"
                " or name a file to keep a generated one with --password-file."
            )
        self._known[name] = secrets.token_urlsafe(18)
        self.made.append(name)
        return Secret(self._known[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)

    def save(self) -> None:
        """Keep what was made, 0600, replacing the file in one step; nothing to do when nothing was made."""
        if not self.made or self._file is None:
            return
        new = self._file.with_name(self._file.name + ".new")
        new.unlink(missing_ok=True)
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as out:
            json.dump(self._known, out, indent=2)
            out.write("\n")
            out.flush()
            os.fsync(out.fileno())
        new.rename(self._file)


def migrate(config: Config) -> list[str]:
    """What was done, a line each."""
    from common.db import migrate as revisions
    from common.tokens import create_keys

    before = revisions.current(config.database.url)
    revisions.upgrade(config.database.url)
    after = revisions.current(config.database.url)
    create_keys(Path(config.identity.fernet_dir))
    moved = f"database: revision {after}" if before == after else f"database: revision {before or 'none'} -> {after}"
    return [moved, f"token keys: {config.identity.fernet_dir}"]


def bootstrap(config: Config, passwords: Passwords) -> list[str]:
    """What was done, a line each; never a password. Made passwords are saved before the users are committed."""
    from common import bootstrap as first_things
    from common.clock import SystemClock
    from common.db.session import Database

    database = Database(config.database)
    try:
        with database.write() as session:
            first_things.bootstrap(session, config, SystemClock().now(), passwords)
            passwords.save()
    finally:
        database.close()
    lines = [
        f"identity: domain Default, projects {', '.join(first_things.PROJECTS)}, users {', '.join(first_things.USERS)}"
    ]
    lines += [f"password of {name}: generated, in the password file" for name in passwords.made]
    return lines


def _read_passwords(file: Path) -> dict[str, str]:
    if stat.S_IMODE(file.stat().st_mode) & 0o077:
        raise PasswordsError(f"Others can read {file}; chmod 600 it and change the passwords in it.")
    try:
        found = json.loads(file.read_text())
    except ValueError as err:
        raise PasswordsError(f"{file} is no JSON object of user name to password: {err}") from err
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise PasswordsError(f"{file} is no JSON object of user name to password.")
    return found
