"""Which guests this node itself has stopped, or not started again, for want of a lease: one small file each.

Written before a guest's power is cut. The agent reads them, so that such a guest is brought back instead of being taken
for one that its user switched off. A record counts for the very definition it was made of: whatever the control plane
starts later has a higher generation.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from common.ids import is_uuid

FOLDER = "stopped"


class StoppedGuests:
    """Records in `run_folder`/stopped, of one boot of the machine."""

    def __init__(self, run_folder: Path, boot_id: str) -> None:
        self._folder = run_folder / FOLDER
        self._boot_id = boot_id

    def note(self, instance_id: str, epoch: int, generation: int) -> None:
        """Raises OSError."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._path(instance_id)
        passing = path.with_suffix(".new")
        passing.write_text(json.dumps([self._boot_id, epoch, generation]))
        os.replace(passing, path)

    def holds(self, instance_id: str, epoch: int, generation: int) -> bool:
        """True when the node stopped this definition of the guest. A record of another one is removed."""
        try:
            found = json.loads(self._path(instance_id).read_text())
        except FileNotFoundError:
            return False
        except ValueError:
            found = None
        if found == [self._boot_id, epoch, generation]:
            return True
        self._path(instance_id).unlink(missing_ok=True)
        return False

    def _path(self, instance_id: str) -> Path:
        if not is_uuid(instance_id):
            raise ValueError(f"{instance_id!r} is not an instance id")
        return self._folder / instance_id
