"""What requests about segments mean: a network here is one segment, which is named and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from api.network.problems import check_revision
from api.request import ApiRequest
from common.db import network_segments
from common.db.filters import Filters
from common.db.network_segments import Segment
from common.db.paging import Page


def list_(request: ApiRequest, filters: Filters, page: Page) -> list[Segment]:
    with request.services.db.read() as session:
        return network_segments.list_(session, filters, page)


def show(request: ApiRequest, segment_id: str) -> Segment:
    """Raises NotFound."""
    with request.services.db.read() as session:
        return network_segments.get(session, segment_id)


def update(request: ApiRequest, segment_id: str, changes: Mapping[str, Any]) -> Segment:
    """Raises NotFound, Conflict (If-Match)."""
    now = request.services.clock.now()

    def work(session: Session) -> Segment:
        named = network_segments.get(session, segment_id).named
        check_revision(request.headers, named.revision_number if named else 0)
        return network_segments.describe(session, segment_id, changes, now)

    return request.services.db.run(work)
