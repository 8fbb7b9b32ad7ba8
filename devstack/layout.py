"""Where things lie: the same for up, down and the tests; CUMULET_STATE_DIR moves all of it under one folder."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

SERVICE_USER = "cumulet"
DEFAULT_STATE = Path("/var/lib/cumulet")


@dataclass(frozen=True)
class Layout:
    """state: data. client: openrc, clouds.yaml and the key of the first login (in devstack/ unless moved)."""

    state: Path
    etc: Path
    log: Path
    run: Path
    client: Path
    checkout: Path

    @property
    def config(self) -> Path:
        return self.etc / "cumulet.conf"

    @property
    def is_default(self) -> bool:
        """False for a cloud under CUMULET_STATE_DIR."""
        return self.state == DEFAULT_STATE

    @property
    def agent(self) -> Path:
        return self.state / "agent"

    @property
    def supervisor_config(self) -> Path:
        return self.run / "supervisord.conf"

    @property
    def supervisor_pid(self) -> Path:
        return self.run / "supervisord.pid"


def find() -> Layout:
    """The layout for this environment."""
    checkout = Path(__file__).resolve().parent.parent
    moved = os.environ.get("CUMULET_STATE_DIR")
    client = Path(os.environ.get("CUMULET_CLIENT_DIR") or checkout / "devstack")
    if moved:
        state = Path(moved)
        return Layout(state, state / "etc", state / "log", state / "run", client, checkout)
    return Layout(DEFAULT_STATE, Path("/etc/cumulet"), Path("/var/log/cumulet"), Path("/run/cumulet"), client, checkout)
