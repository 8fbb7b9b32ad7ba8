"""The one segment of each network: its provider attributes, under the network's id, with a name of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.db.filters import Filters, apply
from common.db.models import Network, NetworkSegment
from common.db.paging import Page, fetch
from common.db.upsert import insert_ignore
from common.errors import NotFound

COLUMNS = {
    "id": Network.id,
    "network_id": Network.id,
    "network_type": Network.network_type,
    "physical_network": Network.physical_network,
    "name": NetworkSegment.name,
    "description": NetworkSegment.description,
    "created_at": Network.created_at,
}
_SEGMENTS = sa.select(Network).outerjoin(NetworkSegment, NetworkSegment.network_id == Network.id)


@dataclass(frozen=True)
class Segment:
    """named: None when nobody has named it."""

    network: Network
    named: NetworkSegment | None


def list_(session: Session, filters: Filters, page: Page) -> list[Segment]:
    query = apply(_SEGMENTS, COLUMNS, filters)
    return _with_names(session, fetch(session, query, page, columns=COLUMNS, default=(("id", False),), key=Network.id))


def get(session: Session, segment_id: str) -> Segment:
    """Raises NotFound."""
    network = session.scalar(sa.select(Network).where(Network.id == segment_id))
    if network is None:
        raise NotFound(f"Segment {segment_id} could not be found.", neutron_type="SegmentNotFound")
    return _with_names(session, [network])[0]


def _with_names(session: Session, networks: Sequence[Network]) -> list[Segment]:
    query = sa.select(NetworkSegment).where(NetworkSegment.network_id.in_([network.id for network in networks]))
    named = {row.network_id: row for row in session.scalars(query.execution_options(populate_existing=True))}
    return [Segment(network, named.get(network.id)) for network in networks]


def describe(session: Session, segment_id: str, changes: Mapping[str, str], now: datetime) -> Segment:
    """Name or describe it. Raises NotFound."""
    get(session, segment_id)
    blank = {"network_id": segment_id, "name": "", "description": "", "revision_number": 0, "updated_at": now}
    insert_ignore(session, NetworkSegment, [blank])
    session.execute(
        sa.update(NetworkSegment)
        .where(NetworkSegment.network_id == segment_id)
        .values(**changes, updated_at=now, revision_number=NetworkSegment.revision_number + 1)
        .execution_options(synchronize_session=False)
    )
    return get(session, segment_id)
