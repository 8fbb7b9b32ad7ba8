"""The states of volumes, snapshots and attachments, declared as data: which action is allowed where, what it leads to.

Names are Cinder's. A status says what a volume is and, while something is being done about it, what: the API's refusals,
the sagas' ends and `common/db/volumes.py`, the only writer of them, all come from these tables.
Source: OpenStack block storage API reference, "Volumes", "Volume snapshots", "Attachments".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class VolumeStatus(StrEnum):
    CREATING = "creating"
    DOWNLOADING = "downloading"
    AVAILABLE = "available"
    RESERVED = "reserved"
    ATTACHING = "attaching"
    IN_USE = "in-use"
    DETACHING = "detaching"
    MAINTENANCE = "maintenance"
    DELETING = "deleting"
    UPLOADING = "uploading"
    EXTENDING = "extending"
    REVERTING = "reverting"
    RETYPING = "retyping"
    BACKING_UP = "backing-up"
    RESTORING_BACKUP = "restoring-backup"
    AWAITING_TRANSFER = "awaiting-transfer"
    ERROR = "error"
    ERROR_DELETING = "error_deleting"
    ERROR_EXTENDING = "error_extending"
    ERROR_RESTORING = "error_restoring"
    ERROR_BACKING_UP = "error_backing-up"


class SnapshotStatus(StrEnum):
    CREATING = "creating"
    AVAILABLE = "available"
    BACKING_UP = "backing-up"
    DELETING = "deleting"
    RESTORING = "restoring"
    DELETED = "deleted"
    ERROR = "error"
    ERROR_DELETING = "error_deleting"


class GroupStatus(StrEnum):
    """Of groups of volumes and of snapshots of them."""

    CREATING = "creating"
    AVAILABLE = "available"
    DELETING = "deleting"
    ERROR = "error"
    ERROR_DELETING = "error_deleting"


class BackupStatus(StrEnum):
    CREATING = "creating"
    AVAILABLE = "available"
    DELETING = "deleting"
    DELETED = "deleted"
    RESTORING = "restoring"
    ERROR = "error"
    ERROR_RESTORING = "error_restoring"
    ERROR_DELETING = "error_deleting"


class AttachStatus(StrEnum):
    RESERVED = "reserved"
    ATTACHING = "attaching"
    ATTACHED = "attached"
    DETACHING = "detaching"
    DETACHED = "detached"
    ERROR_ATTACHING = "error_attaching"
    ERROR_DETACHING = "error_detaching"
    DELETED = "deleted"


class VolumeAction(StrEnum):
    """What can be asked of a volume; the name that its operations bear."""

    CREATE = "create"
    DELETE = "delete"
    FORCE_DELETE = "force_delete"
    EXTEND = "extend"
    UPLOAD = "upload_image"
    REVERT = "revert"
    BACK_UP = "back_up"
    RESTORE = "restore_backup"
    RETYPE = "retype"
    MIGRATE = "migrate"


@dataclass(frozen=True)
class VolumeRule:
    """allowed: statuses the action may start in. during: the status meanwhile.

    leads_to, on_failure: None means back to where it was.
    """

    allowed: frozenset[VolumeStatus]
    during: VolumeStatus
    leads_to: VolumeStatus | None
    on_failure: VolumeStatus | None
    saga: str


_RESTING = frozenset({VolumeStatus.AVAILABLE, VolumeStatus.IN_USE})
_FAILED = frozenset(
    {
        VolumeStatus.ERROR,
        VolumeStatus.ERROR_DELETING,
        VolumeStatus.ERROR_EXTENDING,
        VolumeStatus.ERROR_RESTORING,
        VolumeStatus.ERROR_BACKING_UP,
    }
)

VOLUME_ACTIONS: dict[VolumeAction, VolumeRule] = {
    VolumeAction.CREATE: VolumeRule(
        allowed=frozenset({VolumeStatus.CREATING}),
        during=VolumeStatus.CREATING,
        leads_to=VolumeStatus.AVAILABLE,
        on_failure=VolumeStatus.ERROR,
        saga="volume_create",
    ),
    VolumeAction.DELETE: VolumeRule(
        allowed=frozenset({VolumeStatus.AVAILABLE}) | _FAILED,
        during=VolumeStatus.DELETING,
        leads_to=None,
        on_failure=VolumeStatus.ERROR_DELETING,
        saga="volume_delete",
    ),
    VolumeAction.FORCE_DELETE: VolumeRule(
        allowed=frozenset(VolumeStatus),
        during=VolumeStatus.DELETING,
        leads_to=None,
        on_failure=VolumeStatus.ERROR_DELETING,
        saga="volume_delete",
    ),
    VolumeAction.EXTEND: VolumeRule(
        allowed=_RESTING,
        during=VolumeStatus.EXTENDING,
        leads_to=None,
        on_failure=VolumeStatus.ERROR_EXTENDING,
        saga="volume_extend",
    ),
    VolumeAction.UPLOAD: VolumeRule(
        allowed=_RESTING,
        during=VolumeStatus.UPLOADING,
        leads_to=None,
        on_failure=None,
        saga="volume_upload",
    ),
    VolumeAction.REVERT: VolumeRule(
        allowed=frozenset({VolumeStatus.AVAILABLE}),
        during=VolumeStatus.REVERTING,
        leads_to=VolumeStatus.AVAILABLE,
        on_failure=VolumeStatus.ERROR,
        saga="volume_revert",
    ),
    VolumeAction.BACK_UP: VolumeRule(
        allowed=_RESTING,
        during=VolumeStatus.BACKING_UP,
        leads_to=None,
        on_failure=None,
        saga="backup_create",
    ),
    VolumeAction.RESTORE: VolumeRule(
        allowed=frozenset({VolumeStatus.AVAILABLE}),
        during=VolumeStatus.RESTORING_BACKUP,
        leads_to=VolumeStatus.AVAILABLE,
        on_failure=VolumeStatus.ERROR_RESTORING,
        saga="backup_restore",
    ),
    VolumeAction.RETYPE: VolumeRule(
        allowed=_RESTING,
        during=VolumeStatus.RETYPING,
        leads_to=None,
        on_failure=None,
        saga="volume_retype",
    ),
    VolumeAction.MIGRATE: VolumeRule(
        allowed=frozenset({VolumeStatus.AVAILABLE}),
        during=VolumeStatus.MAINTENANCE,
        leads_to=VolumeStatus.AVAILABLE,
        on_failure=VolumeStatus.AVAILABLE,
        saga="volume_migrate",
    ),
}

#: what attachments make of a volume: one for several servers can become another one's in each of them
BY_ATTACHMENTS = frozenset({VolumeStatus.RESERVED, VolumeStatus.ATTACHING, VolumeStatus.IN_USE, VolumeStatus.DETACHING})
#: statuses of volumes that a snapshot may be made of, or another volume
COPYABLE = _RESTING
#: statuses of snapshots that may be deleted
SNAPSHOT_DELETABLE = frozenset({SnapshotStatus.AVAILABLE, SnapshotStatus.ERROR, SnapshotStatus.ERROR_DELETING})
#: statuses of backups that may be deleted
BACKUP_DELETABLE = frozenset({BackupStatus.AVAILABLE, BackupStatus.ERROR, BackupStatus.ERROR_DELETING})
#: statuses in which an attachment is a disk of a guest; one that is being attached waits for the volume to be free
HELD_BY_GUEST = frozenset({AttachStatus.ATTACHED, AttachStatus.DETACHING, AttachStatus.ERROR_DETACHING})
