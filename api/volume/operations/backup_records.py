"""Records of backups: all that is needed to find one again in its store, for another cloud or a lost database.

A record is base64 of a JSON object; its objects' place and its base are named in it, so that only administrators give
and take them.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.orm import Session

from api.request import Services
from api.volume.operations.begun import begun
from api.volume.operations.volume_create import project_of, take_quota
from common.context import RequestContext
from common.db import volume_backups
from common.db.models import VolumeBackup
from common.errors import InvalidRequest, NotFound
from common.ids import is_uuid

_TEXTS = ("name", "description", "container", "availability_zone")
_MOST_GIB = 2**31 - 1


def export(services: Services, context: RequestContext, backup_id: str) -> dict[str, str]:
    """Raises NotFound, InvalidRequest for one that is not whole."""
    with services.db.read() as session:
        backup = volume_backups.get_visible(session, backup_id, context)
    if not backup.whole:
        raise InvalidRequest(f"Invalid backup: Backup {backup.id} must be available, but is {backup.status}.")
    record = {
        "id": backup.id, "volume_id": backup.volume_id, "snapshot_id": backup.snapshot_id,
        "parent_id": backup.parent_id, "size": backup.size_gib, "location": backup.location,
        "metadata": dict(backup.properties), "volume_properties": dict(backup.volume_properties),
        "data_timestamp": backup.data_timestamp.isoformat() if backup.data_timestamp else None,
        **{key: getattr(backup, key) for key in _TEXTS},
    }  # fmt: skip
    url = base64.standard_b64encode(json.dumps(record).encode()).decode()
    return {"backup_service": backup.service, "backup_url": url}


def import_(services: Services, context: RequestContext, service: str, url: str) -> VolumeBackup:
    """Begin to take a backup over. Raises InvalidRequest: also when there is one of that id."""
    row = _row(_decoded(url))

    def work(session: Session) -> tuple[str, VolumeBackup]:
        project_id, now = project_of(context), services.clock.now()
        old = _known(session, row["id"])
        if old is not None and not old.deleted:
            raise InvalidRequest(f"Invalid backup: Backup already exists in database: {old.id}.")
        if old is not None:
            session.delete(old)
            session.flush()
        take_quota(session, project_id, {"backups": 1, "backup_gigabytes": row["size_gib"]}, services)
        owner = {"project_id": project_id, "user_id": context.user_id, "service": service}
        operation_id = volume_backups.create(session, {**row, **owner}, context, now, "backup_import")
        return operation_id, volume_backups.get(session, row["id"])

    return begun(services, "backup_import", work)


def _known(session: Session, backup_id: str) -> VolumeBackup | None:
    try:
        return volume_backups.get(session, backup_id, deleted=True)
    except NotFound:
        return None


def _decoded(url: str) -> Mapping[str, Any]:
    try:
        found = json.loads(base64.b64decode(url, validate=True))
    except (binascii.Error, ValueError, RecursionError) as err:
        raise InvalidRequest("Invalid input received: Can't parse backup record.") from err
    if not isinstance(found, dict):
        raise InvalidRequest("Invalid input received: a backup record is an object.")
    return found


def _row(record: Mapping[str, Any]) -> dict[str, Any]:
    """What is not as this service writes it is refused by name."""
    for key in ("id", "volume_id", "location"):
        if not _is_id(record.get(key)):
            raise InvalidRequest(f"Invalid input received: {key} of a backup record must be an id.")
    for key in ("snapshot_id", "parent_id"):
        if record.get(key) is not None and not _is_id(record[key]):
            raise InvalidRequest(f"Invalid input received: {key} of a backup record must be an id or null.")
    size = record.get("size")
    if type(size) is not int or not 0 < size <= _MOST_GIB:
        raise InvalidRequest("Invalid input received: size of a backup record must be a number of GiB.")
    texts = {key: record.get(key) for key in _TEXTS}
    for key, value in texts.items():
        if value is not None and (not isinstance(value, str) or len(value) > 255 or "\x00" in value):
            raise InvalidRequest(f"Invalid input received: {key} of a backup record must be a text.")
    return {
        "id": record["id"], "volume_id": record["volume_id"], "location": record["location"], "size_gib": size,
        "snapshot_id": record.get("snapshot_id"), "parent_id": record.get("parent_id"), **texts,
        "properties": _words(record, "metadata"), "volume_properties": _properties(record),
        "data_timestamp": _time(record.get("data_timestamp")),
    }  # fmt: skip


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 36 and is_uuid(value) and value == value.lower()


def _words(record: Mapping[str, Any], key: str) -> dict[str, str]:
    found = record.get(key) or {}
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise InvalidRequest(f"Invalid input received: {key} of a backup record must hold texts.")
    return found


def _properties(record: Mapping[str, Any]) -> dict[str, Any]:
    found = record.get("volume_properties") or {}
    if not isinstance(found, dict):
        raise InvalidRequest("Invalid input received: volume_properties of a backup record must be an object.")
    return {
        "bootable": found.get("bootable") is True, "properties": _words(found, "properties"),
        "image_properties": _words(found, "image_properties"),
    }  # fmt: skip


def _time(value: Any) -> datetime | None:
    if value is None:
        return None
    try:
        found = datetime.fromisoformat(value)
    except (TypeError, ValueError) as err:
        raise InvalidRequest("Invalid input received: data_timestamp of a backup record must be a time.") from err
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
