"""The token of the last login, kept so that a command needs no login of its own: one file of mode 0600 per identity.

A file is named by a hash of who and where, never of a password. A file that others could have read or written is not
used. Whoever changes a password has its tokens revoked by the cloud, so that a kept one is refused with 401, dropped,
and a new one got by the real login.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from cli.settings import Settings

_NOT_IDENTITY = ("password", "token", "passcode", "application_credential_secret")


class TokenCache:
    """The kept state of one identity."""

    def __init__(self, settings: Settings, env: Mapping[str, str] = os.environ) -> None:
        who = {name: value for name, value in settings.auth.items() if name not in _NOT_IDENTITY}
        key = hashlib.sha256(json.dumps([settings.auth_type, who], sort_keys=True).encode()).hexdigest()
        home = env.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
        self.path = Path(home) / "cumulet" / "tokens" / f"{key[:40]}.json"

    def read(self) -> str | None:
        """The plugin's state as it was written; None when there is none that can be trusted."""
        try:
            handle = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW)
        except OSError:
            return None
        with os.fdopen(handle) as file:
            facts = os.fstat(file.fileno())
            if facts.st_uid != os.geteuid() or stat.S_IMODE(facts.st_mode) & 0o077:
                return None
            return file.read()

    def write(self, state: str) -> None:
        """Replace it in one step. A cache that can't be written costs a login per command, nothing else."""
        new = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            new.unlink(missing_ok=True)
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
                out.write(state)
            new.rename(self.path)
        except OSError:
            return

    def drop(self) -> None:
        try:
            self.path.unlink(missing_ok=True)
        except OSError:
            return
