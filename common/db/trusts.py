"""Trusts: kept, used up, and what a token made with one may do at this moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.db import paging
from common.db.models import Role, Trust
from common.db.tokens import Scope, Subject, TrustUsed, in_tokens, load_subject
from common.errors import NotFound
from common.ids import new_hex_id

#: how many trusts may follow one another, Keystone's own default
MAX_REDELEGATION = 3


def get(session: Session, trust_id: str) -> Trust:
    """Raises NotFound."""
    found = session.get(Trust, trust_id, populate_existing=True)
    if found is None:
        raise NotFound(f"Could not find trust: {trust_id}.")
    return found


def page(session: Session, filters: Mapping[str, Any], page: paging.Page) -> list[Trust]:
    """Filters: trustor_user_id, trustee_user_id."""
    query = sa.select(Trust).filter_by(**filters)
    return paging.fetch(session, query, page, columns={"id": Trust.id}, default=[("id", False)], key=Trust.id)


def create(session: Session, values: Mapping[str, Any], now: datetime) -> Trust:
    trust = Trust(id=new_hex_id(), created_at=now, **values)
    session.add(trust)
    session.flush()
    return trust


def delete(session: Session, trust: Trust) -> None:
    """With all that were made from it; their tokens die with them."""
    session.delete(trust)
    session.flush()


def pedigree(session: Session, trust: Trust) -> list[Trust]:
    """The trust, the one it was made from, and so on to the first."""
    found = [trust]
    while (parent := found[-1].parent_id) is not None and len(found) <= MAX_REDELEGATION:
        found.append(get(session, parent))
    return found


def use(session: Session, trust_id: str) -> bool:
    """Take one of the remaining uses; False: there is none left, or no such trust."""
    counted = sa.case((Trust.remaining_uses.is_(None), None), else_=Trust.remaining_uses - 1)
    done = session.execute(
        sa.update(Trust)
        .where(Trust.id == trust_id, sa.or_(Trust.remaining_uses.is_(None), Trust.remaining_uses > 0))
        .values(remaining_uses=counted)
        .execution_options(synchronize_session=False)
    )
    return bool(done.rowcount)  # type: ignore[attr-defined]


def with_implied(session: Session, role_ids: Sequence[str]) -> set[str]:
    """These and all that they imply, without the roles of single domains, which are never in tokens."""
    named = sa.select(Role.id.label("role_id")).where(Role.id.in_(role_ids))
    return set(session.scalars(sa.select(Role.id).where(in_tokens(named))))


def load_subject_of(
    session: Session, trust_id: str, now: datetime, audit_id: str = "", chain_id: str = ""
) -> Subject | None:
    """Who acts with the trust, where, and with which roles; None when it is no longer good.

    That is: it is gone or expired, one of those who passed it on or the trustee is disabled, or the first trustor has lost
    one of its roles. The epoch is the sum of trustor's and trustee's, both of which only rise: whatever revokes the tokens of
    either revokes this one too.
    """
    trust = session.get(Trust, trust_id, populate_existing=True)
    if trust is None:
        return None
    line = pedigree(session, trust)
    ends = [each.expires_at for each in line if each.expires_at is not None]
    if any(end <= now for end in ends):
        return None
    first = line[-1].trustor_user_id
    trustor = load_subject(session, first, Scope(project_id=trust.project_id), audit_id, chain_id)
    others = [load_subject(session, each.trustee_user_id, Scope()) for each in line]
    wanted = with_implied(session, trust.role_ids)
    if trustor is None or None in others or not wanted <= {role.id for role in trustor.roles}:
        return None
    actor = _actor(session, trust, others[0])
    if actor is None:
        return None
    present = [each for each in others if each is not None]
    return replace(
        trustor,
        user=actor.user,
        user_domain=actor.user_domain,
        user_epoch=trustor.user_epoch + sum(each.user_epoch for each in present),
        roles=tuple(role for role in trustor.roles if role.id in wanted),
        trust=TrustUsed(
            trust.id, trust.trustor_user_id, trust.trustee_user_id, trust.impersonation, min(ends, default=None)
        ),
    )


def _actor(session: Session, trust: Trust, trustee: Subject | None) -> Subject | None:
    """Whom the token's user is: the trustor of this very trust when it impersonates, else the trustee."""
    if not trust.impersonation:
        return trustee
    return load_subject(session, trust.trustor_user_id, Scope())
