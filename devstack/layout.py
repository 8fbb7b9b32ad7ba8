"""Where things lie: the same for up, down, lab and the tests; CUMULET_STATE_DIR moves all of it under one folder."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

SERVICE_USER = "cumulet"
DEFAULT_STATE = Path("/var/lib/cumulet")
# The controller's device in the lab's network; it tells that a lab is up. Not `cml…`: what has that name is a guest's side to
# the agent's filters.
LAB_LINK = "cumulet-lab0"


@dataclass(frozen=True)
class Layout:
    """state: data. client: openrc, clouds.yaml and the key of the first login (in devstack/ unless moved).

    shared: what up and lab both use: the built guest image, and noVNC.
    """

    state: Path
    etc: Path
    log: Path
    run: Path
    client: Path
    checkout: Path
    shared: Path

    @property
    def config(self) -> Path:
        return self.etc / "cumulet.conf"

    @property
    def secrets(self) -> Path:
        return self.etc / "secrets.json"

    @property
    def is_default(self) -> bool:
        """False for a cloud under CUMULET_STATE_DIR, and for the lab."""
        return self.state == DEFAULT_STATE

    @property
    def agent(self) -> Path:
        return self.state / "agent"

    @property
    def novnc(self) -> Path:
        """What of noVNC the consoles' page loads."""
        installed = Path("/usr/share/novnc")
        return installed if installed.exists() else self.shared / "novnc/usr/share/novnc"

    @property
    def supervisor_config(self) -> Path:
        return self.run / "supervisord.conf"

    @property
    def supervisor_pid(self) -> Path:
        return self.run / "supervisord.pid"


def find() -> Layout:
    """The layout of `up` for this environment."""
    checkout = Path(__file__).resolve().parent.parent
    moved = os.environ.get("CUMULET_STATE_DIR")
    client = Path(os.environ.get("CUMULET_CLIENT_DIR") or checkout / "devstack")
    if moved:
        state = Path(moved)
        return Layout(state, state / "etc", state / "log", state / "run", client, checkout, state)
    etc, log, run = Path("/etc/cumulet"), Path("/var/log/cumulet"), Path("/run/cumulet")
    return Layout(DEFAULT_STATE, etc, log, run, client, checkout, DEFAULT_STATE)


def find_lab() -> Layout:
    """The layout of the lab's controller: everything in one folder beside `up`'s data."""
    up = find()
    state = up.state / "lab"
    return Layout(state, state / "etc", state / "log", state / "run", up.client, up.checkout, up.state)


def lab_is_up() -> bool:
    """Whether a lab has been started in this network, whichever folder its state is in."""
    return Path("/sys/class/net", LAB_LINK).exists()
