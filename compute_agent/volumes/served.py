"""What the agent asks of the way by which volumes come from the node that has them to the node of a server.

`NbdVolumes` does it with storage daemons; `NotServedVolumes` is for nodes without certificates, `PretendedVolumes` for the
drivers whose guests have no disks.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from common.rpc.volume_commands import ExportVolume, VolumeExport
from compute_agent.hypervisor.base import CopyState
from compute_agent.volumes.place import Bytes


class ServedVolumes(Protocol):
    """All verbs are idempotent and raise common.errors.StorageError; calls for one volume are serial."""

    def export(self, command: ExportVolume, path: Path) -> None:
        """Serve the volume's file to one node, from now on and after every restart, until it is withdrawn."""
        ...

    def withdraw(self, export_id: str) -> None:
        """Nobody reads or writes by this export any more when it returns."""
        ...

    def withdraw_all(self, volume_id: str) -> None:
        """End all of a volume's exports."""
        ...

    def exported(self, volume_id: str) -> bool: ...

    def interrupted(self, volume_id: str) -> AbstractContextManager[None]:
        """The volume's exports have ended within the block; those that are wanted run again after it. Clients wait."""
        ...

    def begin_copy(self, volume_id: str, target: Path, size_bytes: int) -> None:
        """Begin to copy what a served volume holds at this moment to a new qcow2, in the background."""
        ...

    def copy_state(self, volume_id: str) -> CopyState: ...

    def end_copy(self, volume_id: str) -> None:
        """Give up a copy that is being made. Succeeds when there is none."""
        ...

    def connect(self, export: VolumeExport, *, read_only: bool) -> Path:
        """The socket of this node by which a guest reaches the export, kept up until `disconnect`."""
        ...

    def source(self, export: VolumeExport) -> Bytes:
        """The bytes of an export of another node, for a volume that comes here."""
        ...

    def renew(self, export_id: str) -> None:
        """Connect again, to learn the export's new size. Succeeds when there is no connection."""
        ...

    def disconnect(self, export_id: str) -> None: ...

    def disconnect_others(self, wanted: Collection[str]) -> None:
        """End connections of which no instance of this node knows any more."""
        ...

    def heal_exports(self) -> int:
        """As `heal`, of what this node serves only."""
        ...

    def heal(self) -> int:
        """Start what should run and does not, and end what should not; how many were started."""
        ...
