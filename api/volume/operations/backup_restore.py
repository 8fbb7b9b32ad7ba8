"""Volumes from backups: a new one, or one that is there and gets a backup's bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from api.request import Services
from api.volume.operations import volume_create
from api.volume.operations.begun import begun
from api.volume.operations.volume_create import NewVolume
from common.context import RequestContext
from common.db import volume_backups, volumes
from common.errors import InvalidRequest
from common.volume_states import BackupStatus, VolumeAction


@dataclass(frozen=True)
class Restored:
    backup_id: str
    volume_id: str
    volume_name: str | None


def restore(
    services: Services, context: RequestContext, backup_id: str, *, volume_id: str | None, name: str | None
) -> Restored:
    """Begin to restore. volume_id None: into a new volume. Raises NotFound, InvalidRequest, QuotaExceeded (413)."""

    def work(session: Session) -> tuple[str, Restored]:
        backup = volume_create.readable_backup(session, context, backup_id)
        now = services.clock.now()
        available = (BackupStatus.AVAILABLE,)
        volume_backups.set_status(session, backup.id, available, BackupStatus.RESTORING, now)
        if volume_id is None:
            wanted = NewVolume(
                name=name or f"restore_backup_{backup.id}", description=backup.description, backup_id=backup.id,
                restoring=True, availability_zone=_zone(backup.volume_properties),
                properties=dict(backup.volume_properties.get("properties", {})),
            )  # fmt: skip
            operation_id, page = volume_create.create_in(session, services, context, wanted)
            made = page.volumes[0]
            return operation_id, Restored(backup.id, made.id, made.name)
        volume = volumes.get_visible(session, volume_id, context)
        if volume.size_gib < backup.size_gib:
            raise InvalidRequest(
                f"Invalid volume: volume size {volume.size_gib} GiB is too small to restore backup of size"
                f" {backup.size_gib} GiB."
            )
        operation = volumes.begin(session, volume, VolumeAction.RESTORE, context, now, {"backup_id": backup.id})
        return operation.id, Restored(backup.id, volume.id, volume.name)

    return begun(services, "backup_restore", work)


def _zone(properties: Mapping[str, Any]) -> str | None:
    found = properties.get("availability_zone")
    return str(found) if found else None
