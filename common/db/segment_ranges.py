"""Where networks get their VNI or VLAN id from: a project's own ranges, then what is for all less what is others' own.

The whole of each kind is for all; it is no row. Ranges of one kind on one physical network that belong to projects don't
overlap.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Session

from common.db.models import Network, SegmentRange
from common.errors import Conflict, NotFound

VXLAN, VLAN = "vxlan", "vlan"
BOUNDS = {VXLAN: (1, 2**24 - 1), VLAN: (1, 4094)}
TRIES = 16
FEW = 4096  # so many ids are looked at one by one


@dataclass(frozen=True)
class Wanted:
    """An id of this kind for a project's network. physical_network: only of VLANs."""

    network_type: str
    physical_network: str | None
    project_id: str


def get(session: Session, range_id: str, *, lock: bool = False) -> SegmentRange:
    """Raises NotFound."""
    query = sa.select(SegmentRange).where(SegmentRange.id == range_id).execution_options(populate_existing=True)
    row = session.scalar(query.with_for_update() if lock else query)
    if row is None:
        raise not_found(range_id)
    return row


def not_found(range_id: str) -> NotFound:
    return NotFound(f"Network Segment Range {range_id} could not be found.", neutron_type="NetworkSegmentRangeNotFound")


def list_(session: Session) -> Sequence[SegmentRange]:
    """All of them, by kind; there are as many as administrators care to make."""
    order = (SegmentRange.network_type, SegmentRange.physical_network, SegmentRange.minimum, SegmentRange.id)
    return session.scalars(sa.select(SegmentRange).order_by(*order)).all()


def check_apart(session: Session, row: SegmentRange) -> None:
    """Raises Conflict when another range of the kind has any of the ids."""
    for other in _of_kind(session, row.network_type, row.physical_network):
        if other.id != row.id and other.minimum <= row.maximum and row.minimum <= other.maximum:
            raise Conflict(
                f"Network segment range overlaps with range(s) with id {other.id}.",
                neutron_type="NetworkSegmentRangeOverlaps",
            )


def check_unused_but(session: Session, row: SegmentRange, minimum: int, maximum: int) -> None:
    """Raises Conflict when a network of the range's project has an id of it that is not from `minimum` to `maximum`."""
    for segment_id in used(session, row):
        if not minimum <= segment_id <= maximum:
            raise Conflict(
                f"Network Segment Range {row.id} is referenced by one or more tenant networks.",
                neutron_type="NetworkSegmentRangeReferencedByProject",
            )


def used(session: Session, row: SegmentRange) -> dict[int, str]:
    """The ids of the range that networks have, with their projects; of a project's range: its own networks."""
    column = _column(row.network_type)
    query = sa.select(column, Network.project_id).where(
        Network.network_type == row.network_type, column.between(row.minimum, row.maximum)
    )
    if row.network_type == VLAN:
        query = query.where(Network.physical_network == row.physical_network)
    if row.project_id is not None:
        query = query.where(Network.project_id == row.project_id)
    return {number: owner for number, owner in session.execute(query.order_by(column)) if number is not None}


def _column(network_type: str) -> InstrumentedAttribute[int | None]:
    return Network.vlan_id if network_type == VLAN else Network.segmentation_id


def _of_kind(session: Session, network_type: str, physical_network: str | None) -> Sequence[SegmentRange]:
    return session.scalars(
        sa.select(SegmentRange)
        .where(SegmentRange.network_type == network_type, SegmentRange.physical_network == physical_network)
        .order_by(SegmentRange.minimum)
    ).all()


def candidates(session: Session, wanted: Wanted) -> list[int]:
    """Ids to try, in this order; another request may take one of them first."""
    ranges = _of_kind(session, wanted.network_type, wanted.physical_network)
    own = [(each.minimum, each.maximum) for each in ranges if each.project_id == wanted.project_id]
    theirs = [(each.minimum, each.maximum) for each in ranges if each.project_id not in (None, wanted.project_id)]
    shared = _without(BOUNDS[wanted.network_type], sorted([*theirs, *own]))
    return [*_drawn(session, wanted, own), *_drawn(session, wanted, shared)]


def _without(whole: tuple[int, int], taken: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    left, start = [], whole[0]
    for minimum, maximum in taken:
        if start < minimum:
            left.append((start, minimum - 1))
        start = max(start, maximum + 1)
    return [*left, (start, whole[1])] if start <= whole[1] else left


def _drawn(session: Session, wanted: Wanted, ranges: Sequence[tuple[int, int]]) -> list[int]:
    """Some of the ids in the ranges, by chance; of few ids those that are free."""
    size = sum(maximum - minimum + 1 for minimum, maximum in ranges)
    if not size:
        return []
    if size > FEW:
        return [_at(ranges, random.randrange(size)) for _ in range(TRIES)]
    every = [segment_id for minimum, maximum in ranges for segment_id in range(minimum, maximum + 1)]
    column = _column(wanted.network_type)
    taken = sa.select(column).where(column.between(min(every), max(every)))
    if wanted.network_type == VLAN:
        taken = taken.where(Network.physical_network == wanted.physical_network)
    free = sorted(set(every) - set(session.scalars(taken)))
    return random.sample(free, min(TRIES, len(free)))


def _at(ranges: Sequence[tuple[int, int]], position: int) -> int:
    for minimum, maximum in ranges:
        if position <= maximum - minimum:
            return minimum + position
        position -= maximum - minimum + 1
    raise IndexError(position)
