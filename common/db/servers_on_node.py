"""The instances of one node, for the reconcilers: what should be there."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.db.models import Instance


def living(session: Session, node_id: str) -> list[Instance]:
    return list(session.scalars(sa.select(Instance).where(Instance.node_id == node_id, Instance.deleted.is_(False))))


def shelved(session: Session, limit: int) -> list[Instance]:
    """Shelved servers that are on a node still and that nothing is done with."""
    query = sa.select(Instance).where(
        sa.text("vm_state = 'shelved'"), Instance.task_state.is_(None), Instance.deleted.is_(False)
    )  # in the very words of the index
    return list(session.scalars(query.order_by(Instance.id).limit(limit)))


def by_ids(session: Session, ids: Sequence[str]) -> dict[str, Instance]:
    """Deleted ones too, by id."""
    return {row.id: row for row in session.scalars(sa.select(Instance).where(Instance.id.in_(ids)))}
