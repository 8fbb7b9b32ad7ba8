"""The commands of compute_v1.py that are about backups, outside of any volume; its rules hold for them."""

from __future__ import annotations

from common.rpc.command_base import CommandBase


class _BackupCommand(CommandBase, frozen=True, kw_only=True):
    """About a backup's objects in the store that the node is configured for; instance_id is "", epoch 0.

    Of two about the same backup the higher generation counts. location: where its objects lie; another record of the
    same backup may lie there, too.
    """

    backup_id: str
    location: str


class StoreBackup(_BackupCommand, frozen=True, kw_only=True, tag="store_backup"):
    """Send what CopyVolume has copied for this backup to the store, and remove the copy.

    parent_location: where the backup lies that this one is based on; "" for a full one.
    """

    parent_location: str = ""


class CheckBackup(_BackupCommand, frozen=True, kw_only=True, tag="check_backup"):
    """See whether there is a whole backup of at most this size."""

    size_gib: int


class EnsureBackupAbsent(_BackupCommand, frozen=True, kw_only=True, tag="ensure_backup_absent"):
    """Remove the backup's objects, whole or not, and what is left of the copy. Succeeds when nothing is there."""


BackupCommand = StoreBackup | CheckBackup | EnsureBackupAbsent
