"""The verbs about backups: send a copy of a volume's bytes to the store, look whether one is whole, bring it back, remove it.

A backup is whole when its manifest is there, which is written last. The node remembers which backups it was told to
remove, so that a late command can't write objects that nobody would remove again.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from common.clock import Clock
from common.errors import StaleCommand, StorageError
from common.rpc.backup_commands import BackupCommand, CheckBackup, EnsureBackupAbsent, StoreBackup
from compute_agent.backups import chunks
from compute_agent.backups.base import BackupStore
from compute_agent.instances import Interrupted
from compute_agent.task import Outcome, Task
from compute_agent.volumes.base import VolumeStore, forget

_GIB = 1024**3


class Backups:
    """store None: this node makes no backups. `superseded`: a removal waits; `stopping`: the agent ends."""

    def __init__(
        self, *, clock: Clock, store: BackupStore | None, volumes: VolumeStore, superseded: Callable[[Task], bool],
        stopping: Callable[[], bool],
    ) -> None:  # fmt: skip
        self._clock, self._store, self._volumes = clock, store, volumes
        self._superseded, self._stopping = superseded, stopping

    def obey(self, task: Task, command: BackupCommand) -> Outcome:
        """Raises StaleCommand, StorageError."""
        if isinstance(command, CheckBackup):
            return self._check(command)
        if command.generation < self._volumes.generation(command.backup_id):
            raise StaleCommand(f"a later command for backup {command.backup_id} was obeyed before")
        self._volumes.obeyed(command.backup_id, command.generation)
        match command:
            case StoreBackup():
                return self._save(task, command)
            case EnsureBackupAbsent():
                forget(self._volumes.copy_file(command.backup_id))
                self._chosen().remove(command.location)
        return Outcome()

    def fetch(self, task: Task, location: str, target: Path) -> None:
        """Write a backup's bytes to a new raw file. Raises StorageError for one that is not whole or damaged."""
        store = self._chosen()
        with task.measure("backup", self._clock):
            chunks.restore(store, chunks.read_manifest(store, location), target, lambda: self._checkpoint(task))

    def _save(self, task: Task, command: StoreBackup) -> Outcome:
        """The copy goes when the store has everything; begun anew after that, what the store has is what counts."""
        store, copy = self._chosen(), self._volumes.copy_file(command.backup_id)
        if not copy.exists() and task.resumed:
            return Outcome(objects=chunks.read_manifest(store, command.location).own(command.location))
        if not copy.exists():
            raise StorageError(f"the copy for backup {command.backup_id} is not on this node")
        parent = chunks.read_manifest(store, command.parent_location) if command.parent_location else None
        with task.measure("backup", self._clock):
            manifest = chunks.save(store, command.location, copy, parent, lambda: self._checkpoint(task))
        forget(copy)
        return Outcome(objects=manifest.own(command.location))

    def _check(self, command: CheckBackup) -> Outcome:
        manifest = chunks.read_manifest(self._chosen(), command.location)
        if manifest.size_bytes > command.size_gib * _GIB:
            raise StorageError(
                f"backup {command.backup_id} holds {manifest.size_bytes} bytes, more than the {command.size_gib} GiB"
                " that its record says"
            )
        return Outcome(objects=manifest.own(command.location))

    def _chosen(self) -> BackupStore:
        if self._store is None:
            raise StorageError("this node keeps no backups: [backup] driver is none")
        return self._store

    def _checkpoint(self, task: Task) -> None:
        if self._stopping():
            raise Interrupted
        if self._superseded(task):
            raise StaleCommand(f"what {task.command.step} works for is to be removed")
