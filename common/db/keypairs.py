"""Key pairs: the public half of a user's keys; they belong to the user, not to a project."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Session

from common.db import paging, quotas
from common.db.models import Keypair
from common.db.upsert import insert_ignore
from common.errors import AlreadyExists, NotFound, QuotaExceeded

SORT_COLUMNS: dict[str, InstrumentedAttribute[Any]] = {"name": Keypair.name}


def get(session: Session, user_id: str, name: str) -> Keypair:
    """Raises NotFound."""
    found = find(session, user_id, name)
    if found is None:
        raise NotFound(f"Keypair {name} not found for user {user_id}")
    return found


def find(session: Session, user_id: str, name: str) -> Keypair | None:
    return session.scalars(sa.select(Keypair).where(Keypair.user_id == user_id, Keypair.name == name)).one_or_none()


def list_page(session: Session, user_id: str, page: paging.Page) -> list[Keypair]:
    """A user's key pairs by name; the marker is a name. Raises InvalidRequest for an unknown marker."""
    query = sa.select(Keypair).where(Keypair.user_id == user_id)
    return paging.fetch(session, query, page, columns=SORT_COLUMNS, default=(("name", False),), key=Keypair.name)


def create(
    session: Session,
    *,
    user_id: str,
    name: str,
    kind: str,
    public_key: str,
    fingerprint: str,
    limit: int,
    now: datetime,
) -> Keypair:
    """Insert a key pair, counted for the user. Raises AlreadyExists, QuotaExceeded."""
    row = {
        "user_id": user_id,
        "name": name,
        "type": kind,
        "public_key": public_key,
        "fingerprint": fingerprint,
        "created_at": now,
    }
    try:
        quotas.take(session, _counted_for(user_id), {"key_pairs": 1}, {"key_pairs": limit})
    except QuotaExceeded as err:
        raise QuotaExceeded("Quota exceeded, too many key pairs.", **err.facts) from err
    if insert_ignore(session, Keypair, [row]) == 0:
        raise AlreadyExists(f"Key pair '{name}' already exists.")
    return get(session, user_id, name)


def delete(session: Session, user_id: str, name: str) -> None:
    """Raises NotFound. Servers keep the public key they were made with."""
    gone = session.execute(sa.delete(Keypair).where(Keypair.user_id == user_id, Keypair.name == name))
    if gone.rowcount == 0:  # type: ignore[attr-defined]
        raise NotFound(f"Keypair {name} not found for user {user_id}")
    quotas.release(session, _counted_for(user_id), {"key_pairs": 1})


def _counted_for(user_id: str) -> str:
    """Usage rows are by project; key pairs are counted by user, beside them."""
    return f"user:{user_id}"[:64]
