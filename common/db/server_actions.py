"""Operations of a server as os-instance-actions lists them, and its usage over time for billing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Session

from common.db import paging
from common.db.models import Instance, Operation

SORT_COLUMNS: dict[str, InstrumentedAttribute[Any]] = {"created_at": Operation.created_at}


def list_page(
    session: Session,
    instance_id: str,
    page: paging.Page,
    *,
    since: datetime | None = None,
    before: datetime | None = None,
) -> list[Operation]:
    """Newest first; the marker is a request id. Raises InvalidRequest for an unknown marker."""
    query = sa.select(Operation).where(Operation.resource_id == instance_id)
    if since is not None:
        query = query.where(Operation.updated_at >= since)
    if before is not None:
        query = query.where(Operation.updated_at <= before)
    return paging.fetch(
        session, query, page, columns=SORT_COLUMNS, default=(("created_at", True),), key=Operation.request_id
    )


@dataclass(frozen=True)
class Use:
    """One server's existence inside a period."""

    instance_id: str
    name: str
    project_id: str
    vm_state: str
    flavor: dict[str, Any]
    started_at: datetime
    ended_at: datetime | None


def uses(
    session: Session, *, start: datetime, stop: datetime, project_id: str | None, limit: int, marker: str | None = None
) -> Sequence[Use]:
    """Servers that existed between start and stop, by project and id; project_id None: of all projects.

    `limit` bounds the rows; `marker` is the id of the last instance seen.
    """
    ended = sa.or_(Instance.terminated_at.is_(None), Instance.terminated_at > start)
    query = sa.select(Instance).where(Instance.launched_at.is_not(None), Instance.launched_at < stop, ended)
    if project_id is not None:
        query = query.where(Instance.project_id == project_id)
    page = paging.Page(limit=limit, marker=marker)
    rows = paging.fetch(
        session,
        query,
        page,
        columns={"project_id": Instance.project_id},
        default=(("project_id", False),),
        key=Instance.id,
    )
    return [
        Use(row.id, row.name, row.project_id, row.vm_state, row.flavor, row.launched_at or start, row.terminated_at)
        for row in rows
    ]
