"""What requests about network segment ranges mean. The whole of each kind is shown as a default range, which nobody changes."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from api.network.operations import shareable
from api.network.problems import check_revision, invalid
from api.request import ApiRequest
from common import physical_networks
from common.db import network_tags, segment_ranges
from common.db.models import SegmentRange
from common.db.segment_ranges import BOUNDS, VLAN, VXLAN
from common.db.upsert import insert
from common.errors import InvalidRequest
from common.ids import new_id

_DEFAULTS = uuid.UUID("8b8f9c0e-5e0f-4b5e-9f0a-3f5d1a2b4c6d")


@dataclass(frozen=True)
class ShownRange:
    """used: the project by segment id."""

    row: SegmentRange
    default: bool
    used: Mapping[int, str]


def list_(request: ApiRequest) -> list[ShownRange]:
    """The default ranges, then administrators' own."""
    with request.services.db.read() as session:
        return [*_defaults(session, request), *(_shown(session, row) for row in segment_ranges.list_(session))]


def _defaults(session: Session, request: ApiRequest) -> list[ShownRange]:
    """A range of every VNI, and for each physical network one of every VLAN id."""
    kinds: list[tuple[str, str | None]] = [(VXLAN, None)]
    kinds += [(VLAN, name) for name in physical_networks.devices(request.services.config.network.physical_networks)]
    found = []
    for network_type, physical in kinds:
        minimum, maximum = BOUNDS[network_type]
        row = SegmentRange(
            id=str(uuid.uuid5(_DEFAULTS, f"{network_type}/{physical or ''}")),
            project_id=None,
            name="",
            description="",
            network_type=network_type,
            physical_network=physical,
            minimum=minimum,
            maximum=maximum,
            revision_number=0,
            created_at=None,
            updated_at=None,
        )
        found.append(ShownRange(row, True, segment_ranges.used(session, row)))
    return found


def _shown(session: Session, row: SegmentRange) -> ShownRange:
    return ShownRange(row, False, segment_ranges.used(session, row))


def show(request: ApiRequest, range_id: str) -> ShownRange:
    with request.services.db.read() as session:
        for each in _defaults(session, request):
            if each.row.id == range_id:
                return each
        return _shown(session, segment_ranges.get(session, range_id))


def create(request: ApiRequest, bodies: Sequence[dict[str, Any]]) -> list[ShownRange]:
    """All or none. Raises InvalidRequest, Conflict (another range has some of the ids)."""
    known = physical_networks.devices(request.services.config.network.physical_networks)
    rows = [_new(request, body, known) for body in bodies]

    def work(session: Session) -> list[ShownRange]:
        for row in rows:
            segment_ranges.check_apart(session, row)
            insert(session, row)
        return [_shown(session, row) for row in rows]

    return request.services.db.run(work)


def _new(request: ApiRequest, body: Mapping[str, Any], known: Mapping[str, str]) -> SegmentRange:
    kind, physical = body["network_type"], body.get("physical_network") or None
    if kind == VXLAN and physical is not None:
        raise invalid("physical_network not allowed for a vxlan range.")
    if kind == VLAN and physical not in known:
        raise invalid(f"physical_network '{physical}' unknown; known are {', '.join(sorted(known)) or 'none'}.")
    _check_bounds(kind, body["minimum"], body["maximum"])
    now = request.services.clock.now()
    return SegmentRange(
        id=new_id(),
        project_id=None if body.get("shared", True) else body["project_id"],
        name=body.get("name", ""),
        description=body.get("description", ""),
        network_type=kind,
        physical_network=physical,
        minimum=body["minimum"],
        maximum=body["maximum"],
        revision_number=0,
        created_at=now,
        updated_at=now,
    )


def _check_bounds(kind: str, minimum: int, maximum: int) -> None:
    lowest, highest = BOUNDS[kind]
    if not lowest <= minimum <= maximum <= highest:
        raise invalid(f"A {kind} range is from {lowest} to {highest}, not from {minimum} to {maximum}.")


def update(request: ApiRequest, range_id: str, changes: dict[str, Any]) -> ShownRange:
    """Raises Conflict when a network's id would fall out of the range, or another range has some of the ids."""

    def work(session: Session) -> ShownRange:
        row = _held(session, request, range_id)
        minimum, maximum = changes.get("minimum", row.minimum), changes.get("maximum", row.maximum)
        _check_bounds(row.network_type, minimum, maximum)
        segment_ranges.check_unused_but(session, row, minimum, maximum)
        shareable.change(session, request, row, changes)
        segment_ranges.check_apart(session, row)
        return _shown(session, row)

    return request.services.db.run(work)


def _held(session: Session, request: ApiRequest, range_id: str) -> SegmentRange:
    if any(each.row.id == range_id for each in _defaults(session, request)):
        raise InvalidRequest(
            f"Network Segment Range {range_id} is a default segment range which could not be updated or deleted.",
            neutron_type="NetworkSegmentRangeDefaultReadOnly",
        )
    row = segment_ranges.get(session, range_id, lock=True)
    check_revision(request.headers, row.revision_number)
    return row


def delete(request: ApiRequest, range_id: str) -> None:
    """Raises Conflict while a network of the range's project has an id of it."""

    def work(session: Session) -> None:
        row = _held(session, request, range_id)
        segment_ranges.check_unused_but(session, row, 1, 0)
        network_tags.forget(session, [range_id])
        session.delete(row)

    request.services.db.run(work)
