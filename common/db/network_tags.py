"""Tags of the network API's objects, and the filters that every list of such objects has beside its columns."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Session

from common.db.filters import Filters, apply
from common.db.models import NetworkTag
from common.db.upsert import insert_ignore
from common.errors import InvalidRequest

RowT = TypeVar("RowT")
FILTERS = frozenset({"tags", "tags-any", "not-tags", "not-tags-any", "changed_since"})


def narrow(
    query: sa.Select[RowT], columns: Mapping[str, InstrumentedAttribute[Any]], filters: Filters
) -> sa.Select[RowT]:
    """`query` narrowed by columns, tags and changed_since. columns["id"] is the object's id. Raises InvalidRequest."""
    query = apply(query, columns, filters)
    key = columns["id"]
    for name, combine in _COMBINED.items():
        if name in filters:
            query = query.where(combine(key, [tag for value in filters[name] for tag in value.split(",")]))
    if "changed_since" in filters and "updated_at" in columns:
        query = query.where(columns["updated_at"] >= _time(filters["changed_since"][-1]))
    return query


def _with(key: InstrumentedAttribute[Any], tags: Sequence[str]) -> sa.ColumnElement[bool]:
    return key.in_(sa.select(NetworkTag.resource_id).where(NetworkTag.tag.in_(tags)))


def _with_all(key: InstrumentedAttribute[Any], tags: Sequence[str]) -> sa.ColumnElement[bool]:
    return sa.and_(*(_with(key, [tag]) for tag in tags))


def _without_all(key: InstrumentedAttribute[Any], tags: Sequence[str]) -> sa.ColumnElement[bool]:
    return sa.not_(_with_all(key, tags))


def _without_any(key: InstrumentedAttribute[Any], tags: Sequence[str]) -> sa.ColumnElement[bool]:
    return sa.not_(_with(key, tags))


_Combine = Callable[[InstrumentedAttribute[Any], Sequence[str]], sa.ColumnElement[bool]]
_COMBINED: dict[str, _Combine] = {
    "tags": _with_all,
    "tags-any": _with,
    "not-tags": _without_all,
    "not-tags-any": _without_any,
}


def _time(text: str) -> datetime:
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError as err:
        raise InvalidRequest(
            f"Invalid input for operation: The input changed_since must be in the following format: "
            f"YYYY-MM-DDTHH:MM:SS[Z], not {text[:40]!r}.",
            neutron_type="InvalidInput",
        ) from err
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def of(session: Session, resource_ids: Collection[str]) -> dict[str, list[str]]:
    """Tags by object, sorted; one statement."""
    found: dict[str, list[str]] = {}
    if not resource_ids:
        return found
    rows = session.execute(
        sa.select(NetworkTag.resource_id, NetworkTag.tag)
        .where(NetworkTag.resource_id.in_(resource_ids))
        .order_by(NetworkTag.tag)
    )
    for resource_id, tag in rows:
        found.setdefault(resource_id, []).append(tag)
    return found


def add(session: Session, resource_id: str, tags: Collection[str]) -> None:
    insert_ignore(session, NetworkTag, [{"resource_id": resource_id, "tag": tag} for tag in sorted(set(tags))])


def remove(session: Session, resource_id: str, tag: str) -> bool:
    """False when the object has no such tag."""
    gone = session.execute(
        sa.delete(NetworkTag)
        .where(NetworkTag.resource_id == resource_id, NetworkTag.tag == tag)
        .execution_options(synchronize_session=False)
    )
    return bool(gone.rowcount)  # type: ignore[attr-defined]


def forget(session: Session, resource_ids: Collection[str]) -> None:
    """The objects lose all their tags, or are gone."""
    session.execute(
        sa.delete(NetworkTag)
        .where(NetworkTag.resource_id.in_(resource_ids))
        .execution_options(synchronize_session=False)
    )
