"""Scheduler processes in the service list."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.db.models import Service
from common.db.upsert import insert_ignore
from common.ids import new_id

SCHEDULER_BINARY = "nova-scheduler"


def beat(session: Session, host: str, now: datetime) -> None:
    """Write a sign of life; the row is made at the first one."""
    seen = session.execute(
        sa.update(Service)
        .where(Service.binary == SCHEDULER_BINARY, Service.host == host)
        .values(last_seen_at=now)
        .execution_options(synchronize_session=False)
    )
    if seen.rowcount:  # type: ignore[attr-defined]
        return
    insert_ignore(
        session,
        Service,
        [
            {
                "id": new_id(),
                "binary": SCHEDULER_BINARY,
                "host": host,
                "availability_zone": "internal",
                "disabled": False,
                "forced_down": False,
                "last_seen_at": now,
                "created_at": now,
                "updated_at": now,
            }
        ],
    )
