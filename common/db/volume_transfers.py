"""Offers of a volume to whoever knows the key: made, looked at, taken back, and ended by acceptance."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Session

from common.context import RequestContext
from common.db import paging
from common.db.models import VolumeTransfer
from common.errors import NotFound

SORT_COLUMNS: dict[str, InstrumentedAttribute[Any]] = {
    "id": VolumeTransfer.id, "name": VolumeTransfer.name, "volume_id": VolumeTransfer.volume_id,
    "created_at": VolumeTransfer.created_at,
}  # fmt: skip


def get(session: Session, transfer_id: str, *, lock: bool = False) -> VolumeTransfer:
    """Raises NotFound."""
    found = session.get(VolumeTransfer, transfer_id, with_for_update=lock or None, populate_existing=True)
    if found is None:
        raise _unknown(transfer_id)
    return found


def get_visible(session: Session, transfer_id: str, context: RequestContext) -> VolumeTransfer:
    """Raises NotFound, with the same words for a stranger's and for none."""
    found = get(session, transfer_id)
    if not context.owns(found.source_project_id):
        raise _unknown(transfer_id)
    return found


def list_page(session: Session, project_id: str | None, name: str | None, page: paging.Page) -> list[VolumeTransfer]:
    """Oldest first, as Cinder has it. project_id None: of all projects."""
    query = sa.select(VolumeTransfer)
    if project_id is not None:
        query = query.where(VolumeTransfer.source_project_id == project_id)
    if name is not None:
        query = query.where(VolumeTransfer.name == name)
    return paging.fetch(
        session, query, page, columns=SORT_COLUMNS, default=(("created_at", False),), key=VolumeTransfer.id
    )


def add(session: Session, values: dict[str, Any], now: datetime) -> VolumeTransfer:
    made = VolumeTransfer(**values, created_at=now)
    session.add(made)
    session.flush()
    return made


def take(session: Session, transfer_id: str) -> None:
    """End the offer: of two who try, one does. Raises NotFound for the other."""
    gone = session.execute(sa.delete(VolumeTransfer).where(VolumeTransfer.id == transfer_id))
    if gone.rowcount == 0:  # type: ignore[attr-defined]
        raise _unknown(transfer_id)


def _unknown(transfer_id: str) -> NotFound:
    return NotFound(f"Transfer {transfer_id[:64]} could not be found.")
