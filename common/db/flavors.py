"""Flavors: sizes of servers, who may use them, and what they say beyond size (extra specs)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Session

from common.context import RequestContext
from common.db import paging
from common.db.models import Flavor, FlavorAccess
from common.db.upsert import insert_ignore
from common.errors import AlreadyExists, NotFound

SORT_COLUMNS: dict[str, InstrumentedAttribute[Any]] = {
    "created_at": Flavor.created_at,
    "description": Flavor.description,
    "disabled": Flavor.disabled,
    "ephemeral_gb": Flavor.ephemeral_gib,
    "flavorid": Flavor.id,
    "id": Flavor.id,
    "is_public": Flavor.is_public,
    "memory_mb": Flavor.memory_mib,
    "name": Flavor.name,
    "root_gb": Flavor.root_gib,
    "rxtx_factor": Flavor.rxtx_factor,
    "swap": Flavor.swap_mib,
    "vcpus": Flavor.vcpus,
}


@dataclass(frozen=True)
class FlavorFilter:
    """is_public None: public and private ones (administrators). Sizes are lower bounds."""

    is_public: bool | None = True
    min_root_gib: int = 0
    min_memory_mib: int = 0
    name: str | None = None


def get_visible(session: Session, flavor_id: str, context: RequestContext) -> Flavor:
    """The flavor if the caller may use it: public, or its project has access. Raises NotFound."""
    found = session.scalars(_GET, {"flavor_id": flavor_id, **caller(context)}).one_or_none()
    if found is None:
        raise NotFound(f"Flavor {flavor_id} could not be found.")
    return found


def get_for_update(session: Session, flavor_id: str) -> Flavor:
    """Raises NotFound; the row stays locked until the transaction ends."""
    found = session.get(Flavor, flavor_id, with_for_update=True, populate_existing=True)
    if found is None:
        raise NotFound(f"Flavor {flavor_id} could not be found.")
    return found


def list_page(session: Session, context: RequestContext, wanted: FlavorFilter, page: paging.Page) -> list[Flavor]:
    """The flavors that the caller may use, by id. Raises InvalidRequest for an unknown marker or sort key."""
    query = sa.select(Flavor).where(Flavor.root_gib >= wanted.min_root_gib, Flavor.memory_mib >= wanted.min_memory_mib)
    if wanted.name is not None:
        query = query.where(Flavor.name == wanted.name)
    if not context.is_admin:
        query = query.where(sa.or_(Flavor.is_public, _accessible_to(context.project_id)), Flavor.disabled.is_(False))
    elif wanted.is_public is True:
        query = query.where(sa.or_(Flavor.is_public, _accessible_to(context.project_id)))
    elif wanted.is_public is False:
        query = query.where(Flavor.is_public.is_(False))
    return paging.fetch(session, query, page, columns=SORT_COLUMNS, default=(("flavorid", False),), key=Flavor.id)


def _accessible_to(project_id: str | sa.BindParameter[str] | None) -> sa.ColumnElement[bool]:
    return sa.exists(
        sa.select(1)
        .where(
            FlavorAccess.flavor_id == Flavor.id, FlavorAccess.project_id == ("" if project_id is None else project_id)
        )
        .correlate(Flavor)
    )


#: the flavor `flavor_id`, if the `caller` may use it
VISIBLE = sa.and_(
    Flavor.id == sa.bindparam("flavor_id"),
    sa.or_(
        sa.bindparam("sees_flavors", type_=sa.Boolean), Flavor.is_public, _accessible_to(sa.bindparam("caller_project"))
    ),
)
_GET = sa.select(Flavor).where(VISIBLE)


def caller(context: RequestContext) -> dict[str, Any]:
    """What VISIBLE has to know of whoever asks."""
    return {"sees_flavors": context.is_admin, "caller_project": context.project_id or ""}


def create(session: Session, values: Mapping[str, Any]) -> Flavor:
    """Insert a flavor. Raises AlreadyExists, naming what is taken: the id or the name."""
    if insert_ignore(session, Flavor, [dict(values)]) == 0:
        taken = session.get(Flavor, values["id"])
        clash = f"ID {values['id']}" if taken is not None else f"name {values['name']}"
        raise AlreadyExists(f"Flavor with {clash} already exists.")
    return session.get_one(Flavor, values["id"])


def delete(session: Session, flavor_id: str) -> None:
    """Raises NotFound. Servers keep the copy they were made with."""
    gone = session.execute(sa.delete(Flavor).where(Flavor.id == flavor_id))
    if gone.rowcount == 0:  # type: ignore[attr-defined]
        raise NotFound(f"Flavor {flavor_id} could not be found.")


def access_list(session: Session, flavor_id: str) -> list[str]:
    """Ids of the projects that may use a private flavor."""
    query = sa.select(FlavorAccess.project_id).where(FlavorAccess.flavor_id == flavor_id)
    return list(session.scalars(query.order_by(FlavorAccess.project_id)))


def add_access(session: Session, flavor_id: str, project_id: str) -> None:
    """Raises AlreadyExists when the project has access already."""
    row = {"flavor_id": flavor_id, "project_id": project_id}
    if insert_ignore(session, FlavorAccess, [row]) == 0:
        raise AlreadyExists(
            f"Flavor access already exists for flavor {flavor_id} and project {project_id} combination."
        )


def remove_access(session: Session, flavor_id: str, project_id: str) -> None:
    """Raises NotFound when the project has no access."""
    gone = session.execute(
        sa.delete(FlavorAccess).where(FlavorAccess.flavor_id == flavor_id, FlavorAccess.project_id == project_id)
    )
    if gone.rowcount == 0:  # type: ignore[attr-defined]
        raise NotFound(f"Flavor access not found for {flavor_id} / {project_id} combination.")
