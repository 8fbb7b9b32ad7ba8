"""Volume types: who may use them, what they ask of a place, how fast their volumes are, and which one is the default."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Session

from common.context import RequestContext
from common.db import paging
from common.db.models import (
    DefaultVolumeType,
    Volume,
    VolumeQosSpecs,
    VolumeType,
    VolumeTypeAccess,
    VolumeTypeEncryption,
)
from common.db.upsert import insert_ignore
from common.errors import AlreadyExists, InvalidRequest, NotFound
from common.ids import new_id

#: the type of volumes that name none, unless their project has a default of its own; made at bootstrap
DEFAULT_NAME = "__DEFAULT__"
SORT_COLUMNS: dict[str, InstrumentedAttribute[Any]] = {
    "id": VolumeType.id, "name": VolumeType.name, "is_public": VolumeType.is_public,
    "created_at": VolumeType.created_at,
}  # fmt: skip


def not_found(asked: str) -> NotFound:
    return NotFound(f"Volume type {asked[:64]} could not be found.")


def get(session: Session, type_id: str) -> VolumeType:
    """Raises NotFound."""
    found = session.get(VolumeType, type_id)
    if found is None:
        raise not_found(type_id)
    return found


def get_for_update(session: Session, type_id: str) -> VolumeType:
    """Raises NotFound; the row stays locked until the transaction ends."""
    found = session.get(VolumeType, type_id, with_for_update=True, populate_existing=True)
    if found is None:
        raise not_found(type_id)
    return found


def get_visible(session: Session, type_id: str, context: RequestContext) -> VolumeType:
    """The type if the caller may use it: public, or its project has access. Raises NotFound."""
    found = session.scalars(sa.select(VolumeType).where(VolumeType.id == type_id, _visible_to(context))).one_or_none()
    if found is None:
        raise not_found(type_id)
    return found


def find_visible(session: Session, asked: str, context: RequestContext) -> VolumeType:
    """By id or by name, as requests name types. Raises NotFound."""
    query = sa.select(VolumeType).where(sa.or_(VolumeType.id == asked, VolumeType.name == asked), _visible_to(context))
    found = session.scalars(query.order_by(sa.case((VolumeType.id == asked, 0), else_=1)).limit(1)).one_or_none()
    if found is None:
        raise not_found(asked)
    return found


def default_of(session: Session, project_id: str | None) -> VolumeType | None:
    """The project's default type, else the cloud's; None where not even that is there."""
    own = sa.select(DefaultVolumeType.volume_type_id).where(DefaultVolumeType.project_id == (project_id or ""))
    query = sa.select(VolumeType).where(sa.or_(VolumeType.id.in_(own), VolumeType.name == DEFAULT_NAME))
    return session.scalars(
        query.order_by(sa.case((VolumeType.name == DEFAULT_NAME, 1), else_=0)).limit(1)
    ).one_or_none()


def specs_of(session: Session, type_id: str | None) -> dict[str, str]:
    """A type's extra specs; none for no type."""
    found = session.get(VolumeType, type_id) if type_id else None
    return dict(found.extra_specs) if found else {}


def names(session: Session, type_ids: Sequence[str | None]) -> dict[str, str]:
    """Names by id."""
    known = {type_id for type_id in type_ids if type_id}
    if not known:
        return {}
    rows = session.execute(sa.select(VolumeType.id, VolumeType.name).where(VolumeType.id.in_(known)))
    return {row[0]: row[1] for row in rows}


def all_names(session: Session) -> dict[str, str]:
    """Names by id, of every type there is."""
    rows = session.execute(sa.select(VolumeType.id, VolumeType.name).order_by(VolumeType.name))
    return {row[0]: row[1] for row in rows}


def list_page(
    session: Session, context: RequestContext, page: paging.Page, *, is_public: bool | None,
    extra_specs: Mapping[str, str], name: str | None = None,
) -> list[VolumeType]:  # fmt: skip
    """The types that the caller may use. is_public None: public and private ones (administrators)."""
    query = sa.select(VolumeType)
    if not context.is_admin:
        query = query.where(_visible_to(context))
    elif is_public is not None:
        query = query.where(VolumeType.is_public.is_(is_public))
    if name is not None:
        query = query.where(VolumeType.name == name)
    for key, value in extra_specs.items():
        query = query.where(VolumeType.extra_specs[key].as_string() == value)
    return paging.fetch(session, query, page, columns=SORT_COLUMNS, default=(("created_at", True),), key=VolumeType.id)


def _visible_to(context: RequestContext) -> sa.ColumnElement[bool]:
    if context.is_admin:
        return sa.true()
    access = (
        sa.select(1)
        .where(VolumeTypeAccess.volume_type_id == VolumeType.id)
        .where(VolumeTypeAccess.project_id == (context.project_id or ""))
    )
    return sa.or_(VolumeType.is_public, sa.exists(access.correlate(VolumeType)))


def create(session: Session, values: Mapping[str, Any], now: datetime) -> VolumeType:
    """Raises AlreadyExists for a name that is taken."""
    made = {"id": new_id(), "extra_specs": {}, "qos_specs_id": None, "updated_at": None, **values, "created_at": now}
    if insert_ignore(session, VolumeType, [made]) == 0:
        raise AlreadyExists(f"Volume Type {values['name'][:255]} already exists.")
    return session.get_one(VolumeType, made["id"])


def rename(session: Session, found: VolumeType, name: str) -> None:
    """Raises AlreadyExists for a name that another type has."""
    taken = session.scalar(sa.select(VolumeType.id).where(VolumeType.name == name, VolumeType.id != found.id))
    if taken is not None:
        raise AlreadyExists(f"Volume Type {name[:255]} already exists.")
    found.name = name


def delete(session: Session, found: VolumeType) -> None:
    """Raises InvalidRequest while volumes are of it, or while it is a default."""
    if found.name == DEFAULT_NAME:
        raise InvalidRequest(f"Volume type {found.name} is the default type, and cannot be deleted.")
    used = session.scalar(sa.select(Volume.id).where(Volume.volume_type_id == found.id, Volume.deleted.is_(False)))
    if used is not None:
        raise InvalidRequest("Target volume type is still in use.")
    default_for = session.scalar(
        sa.select(DefaultVolumeType.project_id).where(DefaultVolumeType.volume_type_id == found.id).limit(1)
    )
    if default_for is not None:
        raise InvalidRequest(f"Volume type {found.name} is the default type of project {default_for}.")
    session.delete(found)
    session.flush()


# ---- who may use a private type


def access_list(session: Session, type_id: str) -> list[str]:
    """Ids of the projects that may use a private type."""
    query = sa.select(VolumeTypeAccess.project_id).where(VolumeTypeAccess.volume_type_id == type_id)
    return list(session.scalars(query.order_by(VolumeTypeAccess.project_id)))


def add_access(session: Session, type_id: str, project_id: str) -> None:
    """Raises AlreadyExists when the project has access already."""
    if insert_ignore(session, VolumeTypeAccess, [{"volume_type_id": type_id, "project_id": project_id}]) == 0:
        raise AlreadyExists(f"Volume type access for {type_id} / {project_id[:64]} combination already exists.")


def remove_access(session: Session, type_id: str, project_id: str) -> None:
    """Raises NotFound when the project has no access."""
    gone = session.execute(
        sa.delete(VolumeTypeAccess).where(
            VolumeTypeAccess.volume_type_id == type_id, VolumeTypeAccess.project_id == project_id
        )
    )
    if gone.rowcount == 0:  # type: ignore[attr-defined]
        raise NotFound(f"Volume type access not found for {type_id} / {project_id[:64]} combination.")


# ---- encryption


def encryption_of(session: Session, type_id: str) -> VolumeTypeEncryption | None:
    return session.get(VolumeTypeEncryption, type_id, populate_existing=True)


def set_encryption(session: Session, type_id: str, values: Mapping[str, Any], now: datetime) -> VolumeTypeEncryption:
    """Raises AlreadyExists when the type has one, InvalidRequest while volumes are of the type."""
    _refuse_in_use(session, type_id)
    made = {"cipher": None, "key_size": None, "updated_at": None, **values}
    if insert_ignore(
        session, VolumeTypeEncryption, [{**made, "volume_type_id": type_id, "id": new_id(), "created_at": now}]
    ) == 0:  # fmt: skip
        raise AlreadyExists(f"Volume type encryption for type {type_id} already exists.")
    return session.get_one(VolumeTypeEncryption, type_id)


def change_encryption(
    session: Session, type_id: str, encryption_id: str, values: Mapping[str, Any], now: datetime
) -> VolumeTypeEncryption:
    """Raises NotFound, InvalidRequest while volumes are of the type."""
    found = _encryption(session, type_id, encryption_id)
    _refuse_in_use(session, type_id)
    for name, value in values.items():
        setattr(found, name, value)
    found.updated_at = now
    return found


def drop_encryption(session: Session, type_id: str, encryption_id: str) -> None:
    """Raises NotFound, InvalidRequest while volumes are of the type."""
    found = _encryption(session, type_id, encryption_id)
    _refuse_in_use(session, type_id)
    session.delete(found)


def _encryption(session: Session, type_id: str, encryption_id: str) -> VolumeTypeEncryption:
    found = encryption_of(session, type_id)
    if found is None or found.id != encryption_id:
        raise NotFound(f"Volume type encryption for type {type_id} does not exist.")
    return found


def _refuse_in_use(session: Session, type_id: str) -> None:
    used = sa.select(Volume.id).where(Volume.volume_type_id == type_id, Volume.deleted.is_(False))
    if session.scalar(used.limit(1)) is not None:
        raise InvalidRequest("Cannot change the encryption of a volume type that is in use.")


# ---- default types of projects


def default_rows(session: Session, project_id: str | None = None) -> list[DefaultVolumeType]:
    """Defaults that projects have of their own; project_id: only this one's."""
    query = sa.select(DefaultVolumeType).order_by(DefaultVolumeType.project_id)
    if project_id is not None:
        query = query.where(DefaultVolumeType.project_id == project_id)
    return list(session.scalars(query))


def set_default(session: Session, project_id: str, type_id: str, now: datetime) -> None:
    session.merge(DefaultVolumeType(project_id=project_id, volume_type_id=type_id, created_at=now))
    session.flush()


def unset_default(session: Session, project_id: str) -> None:
    """Raises NotFound when the project has none of its own."""
    gone = session.execute(sa.delete(DefaultVolumeType).where(DefaultVolumeType.project_id == project_id))
    if gone.rowcount == 0:  # type: ignore[attr-defined]
        raise NotFound(f"Default type for project {project_id[:64]} not found.")


def qos_of(session: Session, type_id: str | None) -> VolumeQosSpecs | None:
    """The QoS specs that hold for volumes of this type."""
    if type_id is None:
        return None
    query = sa.select(VolumeQosSpecs).join(VolumeType, VolumeType.qos_specs_id == VolumeQosSpecs.id)
    return session.scalars(query.where(VolumeType.id == type_id)).one_or_none()
