"""Trunks: a parent port that carries others, each under a VLAN id. A port is in one trunk at most, in one role."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.context import RequestContext
from common.db import network_tags
from common.db.filters import Filters
from common.db.models import Port, Subport, Trunk
from common.db.paging import Page, fetch
from common.errors import Conflict, NotFound

COLUMNS = {
    "id": Trunk.id,
    "project_id": Trunk.project_id,
    "name": Trunk.name,
    "description": Trunk.description,
    "port_id": Trunk.port_id,
    "admin_state_up": Trunk.admin_state_up,
    "status": Trunk.status,
    "revision_number": Trunk.revision_number,
    "created_at": Trunk.created_at,
    "updated_at": Trunk.updated_at,
}


@dataclass(frozen=True)
class Carried:
    """A subport as asked for."""

    port_id: str
    segmentation_type: str
    segmentation_id: int


def get_visible(session: Session, trunk_id: str, context: RequestContext, *, lock: bool = False) -> Trunk:
    """Raises NotFound, in the same words for a stranger's trunk and for none."""
    query = sa.select(Trunk).where(Trunk.id == trunk_id).execution_options(populate_existing=True)
    trunk = session.scalar(query.with_for_update(key_share=True) if lock else query)
    if trunk is None or not context.owns(trunk.project_id):
        raise NotFound(f"Trunk {trunk_id} could not be found.", neutron_type="TrunkNotFound")
    return trunk


def list_(session: Session, context: RequestContext, filters: Filters, page: Page) -> list[Trunk]:
    query = sa.select(Trunk)
    if not context.is_admin:
        query = query.where(Trunk.project_id == context.project_id)
    query = network_tags.narrow(query, COLUMNS, filters)
    return fetch(session, query, page, columns=COLUMNS, default=(("id", False),), key=Trunk.id)


def subports_of(session: Session, trunk_ids: Collection[str]) -> dict[str, list[Subport]]:
    """Subports by trunk; one statement."""
    found: dict[str, list[Subport]] = {trunk_id: [] for trunk_id in trunk_ids}
    rows = session.scalars(
        sa.select(Subport)
        .where(Subport.trunk_id.in_(trunk_ids))
        .order_by(Subport.trunk_id, Subport.segmentation_type, Subport.segmentation_id)
    )
    for row in rows:
        found[row.trunk_id].append(row)
    return found


def check_free(session: Session, port_ids: Sequence[str]) -> None:
    """Raises Conflict for a port that is in a trunk."""
    parent = session.scalar(sa.select(Trunk.port_id).where(Trunk.port_id.in_(port_ids)).limit(1))
    if parent is not None:
        raise Conflict(
            f"Port {parent} is currently in use and is not eligible for use as a parent port: it is a trunk's.",
            neutron_type="PortInUseAsTrunkParent",
        )
    carried = session.scalar(sa.select(Subport.port_id).where(Subport.port_id.in_(port_ids)).limit(1))
    if carried is not None:
        raise Conflict(f"Port {carried} is currently a subport for trunk.", neutron_type="PortInUseAsSubPort")


def add(session: Session, trunk: Trunk, carried: Sequence[Carried]) -> None:
    """Raises Conflict when the trunk has a subport with one of the ids. The caller holds the trunk."""
    known = {(row.segmentation_type, row.segmentation_id) for row in subports_of(session, [trunk.id])[trunk.id]}
    for each in carried:
        if (each.segmentation_type, each.segmentation_id) in known:
            raise Conflict(
                f"Port {each.port_id} has segmentation_type {each.segmentation_type} and segmentation_id "
                f"{each.segmentation_id} that are in use on trunk {trunk.id}.",
                neutron_type="DuplicateSubPort",
            )
        row = Subport(
            port_id=each.port_id,
            trunk_id=trunk.id,
            segmentation_type=each.segmentation_type,
            segmentation_id=each.segmentation_id,
        )
        session.add(row)
    session.flush()


def remove(session: Session, trunk: Trunk, port_ids: Sequence[str]) -> None:
    """Raises NotFound for a port that the trunk doesn't carry."""
    for port_id in port_ids:
        gone = session.execute(sa.delete(Subport).where(Subport.trunk_id == trunk.id, Subport.port_id == port_id))
        if not gone.rowcount:  # type: ignore[attr-defined]
            raise NotFound(
                f"SubPort on trunk {trunk.id} with parent port {port_id} could not be found.",
                neutron_type="SubPortNotFound",
            )


@dataclass(frozen=True)
class Details:
    """What a parent port shows of its trunk: (subport, its MAC) each."""

    trunk_id: str
    carried: Sequence[tuple[Subport, str]]


def details(session: Session, port_ids: Collection[str]) -> dict[str, Details]:
    """By parent port; two statements at most."""
    trunks = dict(session.execute(sa.select(Trunk.id, Trunk.port_id).where(Trunk.port_id.in_(port_ids))).all())
    if not trunks:
        return {}
    rows = session.execute(
        sa.select(Subport, Port.mac_address)
        .join(Port, Port.id == Subport.port_id)
        .where(Subport.trunk_id.in_(trunks))
        .order_by(Subport.trunk_id, Subport.segmentation_id)
    ).all()
    return {
        port_id: Details(trunk_id, [(row, mac) for row, mac in rows if row.trunk_id == trunk_id])
        for trunk_id, port_id in trunks.items()
    }
