"""Back-off after failed logins, kept in the database so that every API worker counts together (AUTH-09).

Counted per account and per address of the client. The first tries cost nothing; each further one blocks the account, or
logins from the address, for twice as long as the one before. Tries that are refused meanwhile don't count, so that a
flood can't prolong a block; after FORGET_S without a failure the count begins again. Loopback addresses are not
counted: behind one stand all users of the machine, or of a proxy on it, and one of them must not lock out the rest.
"""

from __future__ import annotations

import hashlib
import ipaddress
from datetime import datetime, timedelta
from enum import Enum

import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.db.models import LoginFailure
from common.db.upsert import insert_ignore

FREE_TRIES = 5
ADDRESS_FREE_TRIES = 50  # many people may share an address, and each may mistype
FIRST_BLOCK_S = 2.0
LONGEST_BLOCK_S = 300.0
FORGET_S = 900.0


def account_key(*parts: str) -> str:
    """A key for an account by id, or for a name that nobody has: unknown accounts are counted like known ones."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def address_key(address: str) -> str | None:
    """A key for the address of a client; None for one that is not counted."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return None  # a unix socket
    if parsed.is_loopback:
        return None
    if parsed.version == 6:  # one client has a whole /64
        parsed = ipaddress.ip_network((parsed, 64), strict=False).network_address
    return account_key("address", str(parsed))


class State(Enum):
    CLEAN = "clean"
    FAILED_BEFORE = "failed_before"
    BLOCKED = "blocked"


def state_of(session: Session, key: str, now: datetime) -> State:
    row = session.execute(sa.select(LoginFailure.blocked_until).where(LoginFailure.key == key)).first()
    if row is None:
        return State.CLEAN
    return State.BLOCKED if row.blocked_until is not None and row.blocked_until > now else State.FAILED_BEFORE


def record(session: Session, key: str, now: datetime, free_tries: int = FREE_TRIES) -> None:
    """Count one failure; the row is locked from the first statement on, so that none is lost."""
    forgotten = now - timedelta(seconds=FORGET_S)
    session.execute(sa.delete(LoginFailure).where(LoginFailure.last_at < forgotten))
    insert_ignore(session, LoginFailure, [{"key": key, "count": 0, "blocked_until": None, "last_at": now}])
    count = session.execute(
        sa.update(LoginFailure)
        .where(LoginFailure.key == key)
        .values(count=LoginFailure.count + 1, last_at=now)
        .returning(LoginFailure.count)
    ).scalar_one()
    if count < free_tries:
        return
    block_s = min(FIRST_BLOCK_S * 2 ** min(count - free_tries, 16), LONGEST_BLOCK_S)
    session.execute(
        sa.update(LoginFailure).where(LoginFailure.key == key).values(blocked_until=now + timedelta(seconds=block_s))
    )


def clear(session: Session, key: str) -> None:
    """After a success."""
    session.execute(sa.delete(LoginFailure).where(LoginFailure.key == key))
