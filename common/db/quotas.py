"""Quota: take and release in the transaction that inserts or deletes what is counted. Holds under any concurrency.

A take is one conditional UPDATE, so two requests at the limit can't both pass. Lock order is quota, instance, port,
address: take quota first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.db.models import QuotaLimit, QuotaUsage, UserQuotaLimit
from common.db.upsert import insert_ignore
from common.errors import QuotaExceeded

#: what stands for a project where limits hold for all that have none of their own (os-quota-class-sets)
DEFAULT_CLASS = "class:default"


def take(
    session: Session, project_id: str, amounts: Mapping[str, int], defaults: Mapping[str, int], user_id: str = ""
) -> bool:
    """Count `amounts` by resource into the project's usage. True: the user has limits of its own (user_quotas.py).

    Raises QuotaExceeded naming resource, asked, used and limit; the caller's transaction must then roll back.
    """
    counted = _count_within(session, project_id, user_id, amounts, defaults)
    left = {resource: amount for resource, amount in amounts.items() if resource not in counted}
    if not left:
        return any(counted.values())
    # the first use ever, by us or by somebody at this moment, or too much: the second try tells
    zeros = [{"project_id": project_id, "resource": resource, "in_use": 0} for resource in sorted(left)]
    insert_ignore(session, QuotaUsage, zeros)
    counted |= _count_within(session, project_id, user_id, left, defaults)
    if refused := sorted(amounts.keys() - counted.keys()):
        limits = effective_limits(session, project_id, defaults)
        own = {resource: amounts[resource] for resource in counted}
        raise _exceeded(refused[0], amounts, limits, usage(session, project_id), own)
    return any(counted.values())


def _count_within(
    session: Session, project_id: str, user_id: str, amounts: Mapping[str, int], defaults: Mapping[str, int]
) -> dict[str, bool]:
    """Count what stays within its limit; the resources that did, and whether the user has a limit of its own."""
    resources = tuple(sorted(amounts))
    values: dict[str, Any] = {"project": project_id, "user": user_id}
    for number, resource in enumerate(resources):
        values |= {f"amount_{number}": amounts[resource], f"default_{number}": defaults[resource]}
    return {row[0]: bool(row[1]) for row in session.connection().execute(_counting(resources), values)}


@lru_cache(maxsize=64)
def _counting(resources: tuple[str, ...]) -> sa.sql.dml.ReturningUpdate[Any]:
    """One statement for all: rows are locked in one order everywhere, so that two takers can't deadlock."""
    used = cast(sa.Table, QuotaUsage.__table__).c
    mine = sa.and_(used.project_id == sa.bindparam("project"), used.resource.in_(resources))
    amount = _by_resource(used.resource, resources, "amount")
    own_limit = sa.select(QuotaLimit.limit).where(
        QuotaLimit.project_id == used.project_id, QuotaLimit.resource == used.resource
    )
    of_class = sa.select(QuotaLimit.limit).where(
        QuotaLimit.project_id == DEFAULT_CLASS, QuotaLimit.resource == used.resource
    )
    limit = sa.func.coalesce(
        own_limit.scalar_subquery(), of_class.scalar_subquery(), _by_resource(used.resource, resources, "default")
    )
    statement = sa.update(cast(sa.Table, QuotaUsage.__table__)).where(
        mine, sa.or_(limit < 0, used.in_use + amount <= limit)
    )
    if len(resources) > 1:
        locked = sa.select(QuotaUsage.resource).where(
            QuotaUsage.project_id == sa.bindparam("project"), QuotaUsage.resource.in_(resources)
        )
        ordered = locked.order_by(QuotaUsage.resource).with_for_update(key_share=True).correlate(None)
        statement = statement.where(used.resource.in_(ordered))
    of_user = sa.exists().where(
        UserQuotaLimit.project_id == sa.bindparam("project"), UserQuotaLimit.user_id == sa.bindparam("user")
    )
    return statement.values(in_use=used.in_use + amount).returning(used.resource, of_user)


def _by_resource(column: sa.ColumnElement[str], resources: tuple[str, ...], name: str) -> sa.ColumnElement[int]:
    numbers = [(resource, sa.bindparam(f"{name}_{n}", type_=sa.Integer)) for n, resource in enumerate(resources)]
    return sa.case(*((column == resource, number) for resource, number in numbers), else_=sa.literal(0, sa.Integer))


def _exceeded(
    refused: str,
    amounts: Mapping[str, int],
    limits: Mapping[str, int],
    usages: Mapping[str, int],
    counted: Mapping[str, int],
) -> QuotaExceeded:
    """Names everything that is too much, not only what was found first; `counted` is this request's own part."""
    used = {resource: usages.get(resource, 0) - counted.get(resource, 0) for resource in amounts}
    over = [resource for resource in amounts if 0 <= limits[resource] < used[resource] + amounts[resource]] or [refused]
    names, asked, had, allowed = (
        ", ".join(str(value) for value in values)
        for values in (over, [amounts[r] for r in over], [used[r] for r in over], [limits[r] for r in over])
    )
    return QuotaExceeded(
        f"Quota exceeded for {names}: Requested {asked}, but already used {had} of {allowed} {names}",
        resource=refused,
        requested=amounts[refused],
        used=used[refused],
        limit=limits[refused],
    )


def count(session: Session, project_id: str, amounts: Mapping[str, int]) -> None:
    """Count what the cloud itself makes for a project (DHCP ports, its default group): shown, never refused."""
    for resource in sorted(amounts):
        insert_ignore(session, QuotaUsage, [{"project_id": project_id, "resource": resource, "in_use": 0}])
        session.execute(
            sa.update(QuotaUsage)
            .where(QuotaUsage.project_id == project_id, QuotaUsage.resource == resource)
            .values(in_use=QuotaUsage.in_use + amounts[resource])
        )


def lock(session: Session, project_ids: Iterable[str]) -> None:
    """Hold the projects' usage before rows are deleted that are counted there: quota comes first in the lock order."""
    if session.get_bind().dialect.name == "sqlite":
        return  # there is one writer at a time
    session.execute(
        sa.select(QuotaUsage.in_use)
        .where(QuotaUsage.project_id.in_(sorted(set(project_ids))))
        .order_by(QuotaUsage.project_id, QuotaUsage.resource)
        .with_for_update(key_share=True)
    ).all()


def release(session: Session, project_id: str, amounts: Mapping[str, int]) -> None:
    """Give back; call it only when the row that was counted has just been deleted by this transaction."""
    for resource in sorted(amounts):
        session.execute(
            sa.update(QuotaUsage)
            .where(QuotaUsage.project_id == project_id, QuotaUsage.resource == resource)
            .values(in_use=QuotaUsage.in_use - amounts[resource])
        )


def usage(session: Session, project_id: str) -> dict[str, int]:
    rows = session.execute(sa.select(QuotaUsage.resource, QuotaUsage.in_use).where(QuotaUsage.project_id == project_id))
    return {row[0]: row[1] for row in rows}


def effective_limits(session: Session, project_id: str, defaults: Mapping[str, int]) -> dict[str, int]:
    """The project's own limits, else the default class's, else `defaults`; those of the class for DEFAULT_CLASS."""
    rows = session.execute(
        sa.select(QuotaLimit.project_id, QuotaLimit.resource, QuotaLimit.limit).where(
            QuotaLimit.project_id.in_((project_id, DEFAULT_CLASS))
        )
    ).all()
    of_class = {resource: limit for owner, resource, limit in rows if owner == DEFAULT_CLASS}
    own = {resource: limit for owner, resource, limit in rows if owner == project_id}
    return {**defaults, **of_class, **own}


def set_limits(session: Session, project_id: str, limits: Mapping[str, int]) -> None:
    """Set a project's own limits; -1 means without limit."""
    for resource in sorted(limits):
        session.merge(QuotaLimit(project_id=project_id, resource=resource, limit=limits[resource]))
    session.flush()


def clear_limits(session: Session, project_id: str, resources: Sequence[str]) -> None:
    """Let the configured defaults hold again."""
    session.execute(
        sa.delete(QuotaLimit).where(QuotaLimit.project_id == project_id, QuotaLimit.resource.in_(resources))
    )
