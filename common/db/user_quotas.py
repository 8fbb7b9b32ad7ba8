"""Limits of one user within a project (os-quota-sets with user_id): less than the project has, never more.

A project's usage is counted in rows; a user's is recounted from what there is, in the transaction that has just taken the
project's quota. That holds the project's usage rows, so that two requests of one user come one after the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.db import instances, quotas
from common.db.models import Instance, Keypair, ServerGroup, UserQuotaLimit
from common.errors import QuotaExceeded


def take(
    session: Session, project_id: str, user_id: str, amounts: Mapping[str, int], defaults: Mapping[str, int]
) -> None:
    """As quotas.take, and within the user's own limits in the project. Raises QuotaExceeded."""
    if not quotas.take(session, project_id, amounts, defaults, user_id):
        return
    allowed, used = limits(session, project_id, user_id), usage(session, project_id, user_id)
    for resource, amount in sorted(amounts.items()):
        limit, had = allowed.get(resource, -1), used.get(resource, 0)
        if amount > 0 and 0 <= limit < had + amount:
            raise QuotaExceeded(
                f"Quota exceeded for {resource}: Requested {amount}, but already used {had} of {limit} {resource}",
                resource=resource, requested=amount, used=had, limit=limit,
            )  # fmt: skip


def limits(session: Session, project_id: str, user_id: str) -> dict[str, int]:
    """Those that are set for the user alone."""
    mine = (UserQuotaLimit.project_id == project_id, UserQuotaLimit.user_id == user_id)
    rows = session.execute(sa.select(UserQuotaLimit.resource, UserQuotaLimit.limit).where(*mine))
    return {row[0]: row[1] for row in rows}


def effective_limits(session: Session, project_id: str, user_id: str, defaults: Mapping[str, int]) -> dict[str, int]:
    """The user's own where there are any, else the project's."""
    return quotas.effective_limits(session, project_id, defaults) | limits(session, project_id, user_id)


def usage(session: Session, project_id: str, user_id: str) -> dict[str, int]:
    """What the user has in the project, recounted; key pairs are the user's whatever the project."""
    query = sa.select(Instance).where(
        Instance.project_id == project_id, Instance.user_id == user_id, Instance.deleted.is_(False)
    )
    used = {"instances": 0, "cores": 0, "ram": 0}
    for instance in session.scalars(query):
        for resource, amount in instances.quota_amounts(instance).items():
            used[resource] += amount
    groups = sa.select(sa.func.count()).where(ServerGroup.project_id == project_id, ServerGroup.user_id == user_id)
    pairs = sa.select(sa.func.count()).where(Keypair.user_id == user_id)
    return {**used, "server_groups": session.scalar(groups) or 0, "key_pairs": session.scalar(pairs) or 0}


def assigned(session: Session, project_id: str) -> dict[str, int]:
    """What is set for the project's users together, by resource; users without limit are not counted."""
    rows = session.execute(
        sa.select(UserQuotaLimit.resource, sa.func.sum(UserQuotaLimit.limit))
        .where(UserQuotaLimit.project_id == project_id, UserQuotaLimit.limit > 0)
        .group_by(UserQuotaLimit.resource)
    )
    return {row[0]: int(row[1]) for row in rows}


def set_limits(session: Session, project_id: str, user_id: str, wanted: Mapping[str, int]) -> None:
    for resource in sorted(wanted):
        session.merge(UserQuotaLimit(project_id=project_id, user_id=user_id, resource=resource, limit=wanted[resource]))
    session.flush()


def clear_limits(session: Session, project_id: str, resources: Sequence[str], user_id: str | None = None) -> None:
    """Let the project's hold again. user_id None: for all its users."""
    conditions = [UserQuotaLimit.project_id == project_id, UserQuotaLimit.resource.in_(resources)]
    if user_id is not None:
        conditions.append(UserQuotaLimit.user_id == user_id)
    session.execute(sa.delete(UserQuotaLimit).where(*conditions))
