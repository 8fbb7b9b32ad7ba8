"""Join tokens, and the accounts by which nodes reach the broker.

A token reads "<id>.<secret>". Only the hash of the whole is kept; it is used once, before it expires.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.db.models import Node, NodeToken
from common.ids import new_hex_id
from common.secret import Secret

KEEP_S = 30 * 24 * 3600.0  # of used and expired ones, as evidence of who let which node in


@dataclass(frozen=True)
class NewToken:
    """`text` is shown once and kept nowhere."""

    id: str
    node_name: str
    text: Secret
    expires_at: datetime


def create(
    session: Session,
    *,
    node_name: str,
    lifetime_s: float,
    is_compute: bool,
    is_gateway: bool,
    user_id: str,
    now: datetime,
) -> NewToken:
    session.execute(sa.delete(NodeToken).where(NodeToken.expires_at < now - timedelta(seconds=KEEP_S)))
    token_id = new_hex_id()
    text = f"{token_id}.{secrets.token_urlsafe(32)}"
    expires_at = now + timedelta(seconds=lifetime_s)
    session.add(
        NodeToken(
            id=token_id,
            node_name=node_name,
            token_hash=_hash(text),
            is_compute=is_compute,
            is_gateway=is_gateway,
            user_id=user_id,
            created_at=now,
            expires_at=expires_at,
        )
    )
    return NewToken(token_id, node_name, Secret(text), expires_at)


def redeem(session: Session, text: str, now: datetime) -> NodeToken | None:
    """Use a token up; None for one that is wrong, used or expired. Of several at once one succeeds."""
    row = session.get(NodeToken, id_of(text))
    matches = hmac.compare_digest(_hash(text), row.token_hash if row else "")
    if row is None or not matches:
        return None
    used = session.execute(
        sa.update(NodeToken)
        .where(NodeToken.id == row.id, NodeToken.used_at.is_(None), NodeToken.expires_at > now)
        .values(used_at=now)
        .returning(NodeToken.id)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    return row if used else None


def exists(session: Session, text: str) -> bool:
    return session.get(NodeToken, id_of(text)) is not None


def id_of(text: str) -> str:
    """The public half of a token; the whole, cut, of what is none."""
    return text.partition(".")[0][:32]


def set_broker_password(session: Session, node_id: str, password_hash: str) -> None:
    session.execute(
        sa.update(Node)
        .where(Node.id == node_id)
        .values(broker_password_hash=password_hash)
        .execution_options(synchronize_session=False)
    )


def broker_accounts(session: Session) -> dict[str, str]:
    """RabbitMQ's password hash by name, of every node; "" for one whose user is made by hand."""
    rows = session.execute(sa.select(Node.name, Node.broker_password_hash))
    return {row.name: row.broker_password_hash for row in rows}


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
