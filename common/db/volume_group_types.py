"""Group types: kinds of groups of volumes, with what is promised of their snapshots (group specs)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Session

from common.context import RequestContext
from common.db import paging
from common.db.models import VolumeGroup, VolumeGroupType
from common.db.upsert import insert_ignore
from common.errors import AlreadyExists, InvalidRequest, NotFound
from common.ids import new_id

SORT_COLUMNS: dict[str, InstrumentedAttribute[Any]] = {
    "id": VolumeGroupType.id, "name": VolumeGroupType.name, "is_public": VolumeGroupType.is_public,
    "created_at": VolumeGroupType.created_at,
}  # fmt: skip


def get_visible(session: Session, type_id: str, context: RequestContext) -> VolumeGroupType:
    """Private ones are administrators' alone. Raises NotFound."""
    found = session.get(VolumeGroupType, type_id)
    if found is None or not (found.is_public or context.is_admin):
        raise _unknown(type_id)
    return found


def get_for_update(session: Session, type_id: str) -> VolumeGroupType:
    """Raises NotFound; the row stays locked until the transaction ends."""
    found = session.get(VolumeGroupType, type_id, with_for_update=True, populate_existing=True)
    if found is None:
        raise _unknown(type_id)
    return found


def find_visible(session: Session, asked: str, context: RequestContext) -> VolumeGroupType:
    """By id or name. Raises NotFound."""
    query = sa.select(VolumeGroupType).where(sa.or_(VolumeGroupType.id == asked, VolumeGroupType.name == asked))
    found = session.scalars(query.limit(1)).one_or_none()
    if found is None or not (found.is_public or context.is_admin):
        raise _unknown(asked)
    return found


def list_page(
    session: Session, context: RequestContext, page: paging.Page, is_public: bool | None
) -> list[VolumeGroupType]:
    """is_public None: public and private ones (administrators)."""
    query = sa.select(VolumeGroupType)
    wanted = is_public if context.is_admin else True
    if wanted is not None:
        query = query.where(VolumeGroupType.is_public.is_(wanted))
    return paging.fetch(
        session, query, page, columns=SORT_COLUMNS, default=(("created_at", True),), key=VolumeGroupType.id
    )


def create(session: Session, values: Mapping[str, Any], now: datetime) -> VolumeGroupType:
    """Raises AlreadyExists for a name that is taken."""
    made = {"id": new_id(), "updated_at": None, **values, "created_at": now}
    if insert_ignore(session, VolumeGroupType, [made]) == 0:
        raise AlreadyExists(f"Group Type {values['name'][:255]} already exists.")
    return session.get_one(VolumeGroupType, made["id"])


def rename(session: Session, found: VolumeGroupType, name: str) -> None:
    """Raises AlreadyExists for a name that another type has."""
    query = sa.select(VolumeGroupType.id).where(VolumeGroupType.name == name, VolumeGroupType.id != found.id)
    if session.scalar(query) is not None:
        raise AlreadyExists(f"Group Type {name[:255]} already exists.")
    found.name = name


def delete(session: Session, found: VolumeGroupType) -> None:
    """Raises InvalidRequest while groups are of it."""
    if session.scalar(sa.select(VolumeGroup.id).where(VolumeGroup.group_type_id == found.id).limit(1)) is not None:
        raise InvalidRequest(f"Target group type is still in use: {found.id}.")
    session.delete(found)
    session.flush()


def _unknown(asked: str) -> NotFound:
    return NotFound(f"Group type {asked[:64]} could not be found.")
