"""Messages to users: why something that was answered 202 has failed, in words of theirs, for thirty days."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Session

from common.context import RequestContext
from common.db import paging
from common.db.models import Operation, VolumeMessage
from common.errors import NotFound, NoValidNode
from common.ids import new_id

KEPT_FOR = timedelta(days=30)
SORT_COLUMNS: dict[str, InstrumentedAttribute[Any]] = {
    "id": VolumeMessage.id, "created_at": VolumeMessage.created_at, "event_id": VolumeMessage.event_id,
    "message_level": VolumeMessage.level, "request_id": VolumeMessage.request_id,
    "resource_type": VolumeMessage.resource_type, "resource_uuid": VolumeMessage.resource_id,
    "guaranteed_until": VolumeMessage.expires_at,
}  # fmt: skip
FILTERS = {
    "resource_type": VolumeMessage.resource_type, "resource_uuid": VolumeMessage.resource_id,
    "message_level": VolumeMessage.level, "event_id": VolumeMessage.event_id, "request_id": VolumeMessage.request_id,
}  # fmt: skip


class ResourceType(StrEnum):
    VOLUME = "VOLUME"
    SNAPSHOT = "VOLUME_SNAPSHOT"
    BACKUP = "VOLUME_BACKUP"


@dataclass(frozen=True)
class Event:
    """number: three digits of Cinder's event ids, by what was attempted. words: what that was, in a sentence."""

    number: str
    words: str


#: by the saga's kind; source: Cinder's contributor documentation, "User Messages"
EVENTS = {
    "volume_create": Event("001", "schedule allocate volume"),
    "volume_upload": Event("003", "copy volume to image"),
    "volume_attach": Event("002", "attach volume"),
    "volume_extend": Event("007", "extend volume"),
    "snapshot_create": Event("009", "create snapshot"),
    "snapshot_delete": Event("010", "delete snapshot"),
    "backup_create": Event("013", "create backup"),
    "backup_delete": Event("014", "delete backup"),
    "backup_restore": Event("015", "restore backup"),
    "volume_retype": Event("020", "retype volume"),
    "volume_delete": Event("021", "delete volume"),
    "volume_revert": Event("022", "revert volume to snapshot"),
    "volume_migrate": Event("023", "migrate volume"),
}


def tell(
    session: Session, operation: Operation, resource_type: ResourceType, resource_id: str, error: Mapping[str, Any],
    now: datetime,
) -> None:  # fmt: skip
    """Write the message of a failed operation, in the transaction that ends it."""
    event = EVENTS.get(operation.kind, Event("000", operation.kind.replace("_", " ")))
    detail = "002" if error.get("code") == NoValidNode.code else "001"
    session.add(
        VolumeMessage(
            id=new_id(), project_id=operation.project_id, request_id=operation.request_id,
            resource_type=resource_type, resource_id=resource_id, level="ERROR",
            event_id=f"VOLUME_{resource_type}_{event.number}_{detail}",
            user_message=f"{event.words}:{error.get('message', '')}", created_at=now, expires_at=now + KEPT_FOR,
        )
    )  # fmt: skip
    session.flush()


def get_visible(session: Session, message_id: str, context: RequestContext, now: datetime) -> VolumeMessage:
    """Raises NotFound, with the same words for a stranger's, an expired one and for none."""
    found = session.get(VolumeMessage, message_id)
    if found is None or found.expires_at <= now or not context.owns(found.project_id):
        raise NotFound(f"Message {message_id[:64]} could not be found.")
    return found


def list_page(
    session: Session, project_id: str | None, equals: Mapping[str, str], now: datetime, page: paging.Page
) -> list[VolumeMessage]:
    """Newest first. project_id None: of all projects."""
    query = sa.select(VolumeMessage).where(VolumeMessage.expires_at > now)
    if project_id is not None:
        query = query.where(VolumeMessage.project_id == project_id)
    for name, value in equals.items():
        query = query.where(FILTERS[name] == value)
    return paging.fetch(
        session, query, page, columns=SORT_COLUMNS, default=(("created_at", True),), key=VolumeMessage.id
    )


def delete(session: Session, found: VolumeMessage) -> None:
    session.delete(found)


def sweep(session: Session, now: datetime) -> int:
    """Delete what has expired; how many there were."""
    gone = session.execute(
        sa.delete(VolumeMessage).where(VolumeMessage.expires_at <= now).execution_options(synchronize_session=False)
    )
    return int(gone.rowcount)  # type: ignore[attr-defined]
