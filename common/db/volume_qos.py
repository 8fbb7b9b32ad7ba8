"""QoS specs: names for how fast volumes may be, given to volume types."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Session

from common.db import paging
from common.db.models import VolumeQosSpecs, VolumeType
from common.db.upsert import insert_ignore
from common.errors import AlreadyExists, InvalidRequest, NotFound
from common.ids import new_id

SORT_COLUMNS: dict[str, InstrumentedAttribute[Any]] = {
    "id": VolumeQosSpecs.id, "name": VolumeQosSpecs.name, "created_at": VolumeQosSpecs.created_at,
    "consumer": VolumeQosSpecs.consumer,
}  # fmt: skip


def get(session: Session, specs_id: str, *, lock: bool = False) -> VolumeQosSpecs:
    """Raises NotFound."""
    found = session.get(VolumeQosSpecs, specs_id, with_for_update=lock or None, populate_existing=lock)
    if found is None:
        raise NotFound(f"No such qos_specs {specs_id[:64]}.")
    return found


def list_page(session: Session, page: paging.Page) -> list[VolumeQosSpecs]:
    return paging.fetch(
        session, sa.select(VolumeQosSpecs), page, columns=SORT_COLUMNS, default=(("created_at", True),),
        key=VolumeQosSpecs.id,
    )  # fmt: skip


def create(session: Session, name: str, consumer: str, specs: Mapping[str, str], now: datetime) -> VolumeQosSpecs:
    """Raises AlreadyExists for a name that is taken."""
    row = {"id": new_id(), "name": name, "consumer": consumer, "specs": dict(specs), "created_at": now}
    if insert_ignore(session, VolumeQosSpecs, [{**row, "updated_at": None}]) == 0:
        raise AlreadyExists(f"QoS Specs {name[:255]} already exists.")
    return session.get_one(VolumeQosSpecs, row["id"])


def delete(session: Session, found: VolumeQosSpecs, *, force: bool) -> None:
    """Raises InvalidRequest while volume types have them, unless forced: these then have none."""
    if force:
        disassociate_all(session, found.id)
    elif associations(session, found.id):
        raise InvalidRequest(f"QoS Specs {found.id} is still associated with entities.")
    session.delete(found)
    session.flush()


def unset_keys(found: VolumeQosSpecs, keys: Collection[str], now: datetime) -> None:
    """Raises InvalidRequest for a key that isn't there; then none is removed."""
    for key in keys:
        if key not in found.specs:
            raise InvalidRequest(f"QoS Specs {found.id} has no spec with key {key[:255]}.")
    found.specs = {key: value for key, value in found.specs.items() if key not in keys}
    found.updated_at = now


def associations(session: Session, specs_id: str) -> list[VolumeType]:
    """The types that have these specs, by name."""
    query = sa.select(VolumeType).where(VolumeType.qos_specs_id == specs_id)
    return list(session.scalars(query.order_by(VolumeType.name)))


def disassociate_all(session: Session, specs_id: str) -> None:
    session.execute(
        sa.update(VolumeType)
        .where(VolumeType.qos_specs_id == specs_id)
        .values(qos_specs_id=None)
        .execution_options(synchronize_session=False)
    )
