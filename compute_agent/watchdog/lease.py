"""The node's lease: when it last sent a heartbeat that the control plane has committed. Written by the agent alone.

The age counts from the moment of sending, by CLOCK_BOOTTIME, which goes on while the machine sleeps; so the node always
takes its lease for older than the control plane does. A lease of an earlier boot is none.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

FILE = "lease"


@dataclass(frozen=True)
class Lease:
    """sent_ms: CLOCK_BOOTTIME of the heartbeat's sending, in milliseconds."""

    boot_id: str
    sent_ms: int

    def age_s(self, now_s: float) -> float:
        """Seconds since it was renewed; `now_s` is CLOCK_BOOTTIME."""
        return now_s - self.sent_ms / 1000


def folder(run_dir: str, node: str) -> Path:
    """Where a node's lease and the records of stopped guests lie."""
    return Path(run_dir) / node


class LeaseFile:
    """`renew` is for the agent, `read` for the watchdog."""

    def __init__(self, run_folder: Path) -> None:
        self._path = run_folder / FILE

    def read(self) -> Lease | None:
        """None when there is none, or what is there is no lease."""
        try:
            found = json.loads(self._path.read_text())
            return Lease(str(found["boot_id"]), int(found["sent_ms"]))
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def renew(self, lease: Lease, now_s: float) -> bool:
        """Replace the lease by a newer one; False for an older one, or one that claims to be of the future.

        Raises OSError. Not synced to the disk: it does not outlive the boot.
        """
        old = self.read()
        if lease.age_s(now_s) < 0 or (old and old.boot_id == lease.boot_id and old.sent_ms >= lease.sent_ms):
            return False
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        passing = self._path.with_suffix(".new")
        passing.write_text(json.dumps({"boot_id": lease.boot_id, "sent_ms": lease.sent_ms}) + "\n")
        os.replace(passing, self._path)
        return True
