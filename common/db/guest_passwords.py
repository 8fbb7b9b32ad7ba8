"""Passwords that guests have left at the metadata service for their owners: one for a server, the first one stays."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.db import upsert
from common.db.models import GuestPassword


def find(session: Session, instance_id: str) -> str:
    """As the guest has encrypted it; "": it has left none."""
    return session.scalar(sa.select(GuestPassword.ciphertext).where(GuestPassword.instance_id == instance_id)) or ""


def leave(session: Session, instance_id: str, ciphertext: str, now: datetime) -> bool:
    """False: there is one already, which stays."""
    row = {"instance_id": instance_id, "ciphertext": ciphertext, "created_at": now}
    return upsert.insert_ignore(session, GuestPassword, [row]) == 1


def forget(session: Session, instance_id: str) -> None:
    """Its owner wants it gone, or the guest that made it is: the next one may leave its own."""
    session.execute(
        sa.delete(GuestPassword)
        .where(GuestPassword.instance_id == instance_id)
        .execution_options(synchronize_session=False)
    )
