"""Database, message bus, and the folders that the services share."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from urllib.parse import urlsplit

from cli.checks.result import Result, fail, ok, warn
from common.config import Config
from common.errors import CloudError

MIGRATE = "cumulet db migrate"


def database(config: Config) -> Result:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import SQLAlchemyError

    from common.db import migrate

    url = make_url(config.database.url)
    shown = url.render_as_string(hide_password=True)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        return fail("database", f"{shown} does not exist", f"run `{MIGRATE} --bootstrap`")
    try:
        current = migrate.current(config.database.url)
    except SQLAlchemyError as err:
        reason = str(getattr(err, "orig", None) or err).splitlines()[0][:200]
        return fail("database", f"{shown} does not answer: {reason}", "start it, or correct [database] url")
    newest = migrate.newest()
    if current != newest:
        return fail("database", f"{shown} is at revision {current}, this code needs {newest}", f"run `{MIGRATE}`")
    return ok("database", f"{shown} at revision {current}")


def bus(config: Config) -> Result:
    from common.rpc.transport import Transport

    kind = config.bus.url.reveal().partition(":")[0]
    try:
        transport = Transport(config.bus)
        transport.ping()
    except CloudError as err:
        return fail("bus", f"{kind}: {err.message}", "start the broker, or correct [bus] url")
    except OSError as err:
        return fail("bus", f"{kind}: {err}", f"make {config.bus.folder} writable, or correct [bus] folder")
    transport.close()
    host = urlsplit(config.bus.url.reveal()).hostname or ""
    if kind == "amqp" and host not in ("localhost", "127.0.0.1", "::1"):
        return warn("bus", f"{kind} answers, but passwords and commands go to {host} unencrypted", "use amqps://")
    return ok("bus", f"{kind} answers")


def bus_management(config: Config) -> Result:
    from common.rpc.management import Management

    if not config.bus.management_url:
        if config.bus.url.reveal().startswith("amqp"):
            return warn("bus management", "not set: nodes can't join by token", "set [bus] management_url")
        return ok("bus management", "not needed")
    try:
        management = Management(config.bus)
        management.users()
    except CloudError as err:
        return fail("bus management", f"{err.message} {err.detail}".strip(), "correct [bus] management_url")
    return ok("bus management", f"answers for virtual host {management.vhost}")


def token_keys(config: Config) -> Result:
    folder = Path(config.identity.fernet_dir)
    try:
        keys = [path for path in folder.iterdir() if path.name.isdigit()]
        readable = [path for path in keys if os.access(path, os.R_OK)]
        loose = [path for path in keys if stat.S_IMODE(path.stat().st_mode) & 0o077]
    except OSError as err:
        return fail("token keys", f"{folder}: {err.strerror}", f"run `{MIGRATE}` as the user of the api")
    if not keys:
        return fail("token keys", f"{folder} holds no key", f"run `{MIGRATE}`, or copy the keys of another API host")
    if loose:
        return fail("token keys", f"others can read {loose[0]}", f"chmod 600 {folder}/*")
    if len(readable) < len(keys):
        return fail("token keys", f"{folder}: this user can't read all keys", "run the check as the user of the api")
    return ok("token keys", f"{len(keys)} in {folder}")


def image_store(config: Config) -> Result:
    return _writable("image store", config.image.store_dir)


def state_dir(config: Config) -> Result:
    return _writable("state", config.cloud.state_dir)


def log_dir(config: Config) -> Result:
    if not config.cloud.log_dir:
        return ok("logs", "to standard error")
    return _writable("logs", config.cloud.log_dir)


def run_dir(config: Config) -> Result:
    return _writable("run", config.cloud.run_dir)


def disk_space(config: Config) -> Result:
    folder = _nearest(Path(config.cloud.state_dir))
    found = os.statvfs(folder)
    free_gib = found.f_bavail * found.f_frsize / 1024**3
    text = f"{free_gib:.1f} GiB free under {config.cloud.state_dir}"
    if free_gib < 1:
        return fail("disk space", text, "free some, or move [cloud] state_dir to a larger file system")
    if free_gib < 10:
        return warn("disk space", text, "images and disks of servers will soon fill it: free some")
    return ok("disk space", text)


def _writable(name: str, folder: str) -> Result:
    path = Path(folder)
    if not path.is_dir():
        return fail(name, f"{folder} does not exist", f"mkdir -p {folder}, owned by the user of the api")
    if not os.access(path, os.W_OK | os.X_OK):
        return fail(
            name, f"this user can't write to {folder}", f"chown {folder}, or run the check as the user of the api"
        )
    if path.stat().st_mode & stat.S_IWOTH and not path.stat().st_mode & stat.S_ISVTX:
        return warn(name, f"everybody can write to {folder}", f"chmod o-w {folder}")
    return ok(name, folder)


def _nearest(path: Path) -> Path:
    """The folder itself or the first one above it that exists."""
    while not path.exists():
        path = path.parent
    return path
