"""Queries about metadata definitions: namespaces and the words in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from common.context import RequestContext
from common.db import paging
from common.db.models import MetadefItem, MetadefNamespace
from common.errors import AlreadyExists, NotFound


def get_visible(session: Session, namespace: str, context: RequestContext) -> MetadefNamespace:
    """Raises NotFound, in the same words for a stranger's private one and for none."""
    query = sa.select(MetadefNamespace).where(MetadefNamespace.namespace == namespace, _visible(context))
    found = session.scalars(query).one_or_none()
    if found is None:
        raise NotFound(f"Metadata definition namespace={namespace[:80]} was not found.")
    return found


def page(
    session: Session, context: RequestContext, filters: Mapping[str, Any], page: paging.Page
) -> list[MetadefNamespace]:
    """Filters: visibility, resource_types (any of these). Raises InvalidRequest for a bad sort key or marker."""
    query = sa.select(MetadefNamespace).where(_visible(context))
    if "visibility" in filters:
        query = query.where(MetadefNamespace.visibility == filters["visibility"])
    if "resource_types" in filters:
        query = query.where(
            sa.exists().where(
                MetadefItem.namespace == MetadefNamespace.namespace,
                MetadefItem.kind == "resource_type",
                MetadefItem.name.in_(filters["resource_types"]),
            )
        )
    columns: dict[str, Any] = {
        "created_at": MetadefNamespace.created_at,
        "updated_at": MetadefNamespace.updated_at,
        "namespace": MetadefNamespace.namespace,
    }
    default = [("created_at", True), ("namespace", True)]
    return paging.fetch(session, query, page, columns=columns, default=default, key=MetadefNamespace.namespace)


def _visible(context: RequestContext) -> sa.ColumnElement[bool]:
    if context.is_admin:
        return sa.true()
    return sa.or_(MetadefNamespace.visibility == "public", MetadefNamespace.owner == context.project_id)


def create(session: Session, values: Mapping[str, Any], now: datetime) -> MetadefNamespace:
    """Raises AlreadyExists."""
    row = MetadefNamespace(created_at=now, updated_at=now, **values)
    name = row.namespace
    session.add(row)
    try:
        session.flush()
    except IntegrityError as err:
        raise AlreadyExists(f"The metadata definition namespace={name} already exists.") from err
    return row


def update(session: Session, row: MetadefNamespace, changes: Mapping[str, Any], now: datetime) -> None:
    """Raises AlreadyExists when the new name is taken."""
    for key, value in changes.items():
        setattr(row, key, value)
    row.updated_at = now
    try:
        session.flush()
    except IntegrityError as err:
        raise AlreadyExists(f"The metadata definition namespace={changes.get('namespace')} already exists.") from err


def delete(session: Session, row: MetadefNamespace) -> None:
    """With all its words."""
    session.delete(row)
    session.flush()


def items_of(session: Session, namespaces: Sequence[str], kinds: Sequence[str]) -> list[MetadefItem]:
    query = sa.select(MetadefItem).where(MetadefItem.namespace.in_(namespaces), MetadefItem.kind.in_(kinds))
    return list(session.scalars(query.order_by(MetadefItem.namespace, MetadefItem.name)))


def resource_types(session: Session) -> dict[str, MetadefItem]:
    """The first association of every resource type, by name."""
    query = sa.select(MetadefItem).where(MetadefItem.kind == "resource_type").order_by(MetadefItem.created_at.desc())
    return {row.name: row for row in session.scalars(query)}


def get_item(session: Session, namespace: str, kind: str, name: str) -> MetadefItem:
    """Raises NotFound."""
    found = session.get(MetadefItem, (namespace, kind, name), populate_existing=True)
    if found is None:
        raise NotFound(f"The metadata definition {kind} with name={name[:80]} was not found in namespace={namespace}.")
    return found


def count_items(session: Session, namespace: str) -> int:
    query = sa.select(sa.func.count()).select_from(MetadefItem).where(MetadefItem.namespace == namespace)
    return int(session.scalar(query) or 0)


def add_item(
    session: Session, namespace: str, kind: str, name: str, content: dict[str, Any], now: datetime
) -> MetadefItem:
    """Raises AlreadyExists."""
    row = MetadefItem(namespace=namespace, kind=kind, name=name, content=content, created_at=now, updated_at=now)
    session.add(row)
    try:
        session.flush()
    except IntegrityError as err:
        raise AlreadyExists(
            f"A metadata definition {kind} with name={name} already exists in namespace={namespace}."
        ) from err
    return row


def update_item(session: Session, row: MetadefItem, name: str, content: dict[str, Any], now: datetime) -> None:
    """Raises AlreadyExists when the new name is taken."""
    kind, namespace = row.kind, row.namespace
    row.name, row.content, row.updated_at = name, content, now
    try:
        session.flush()
    except IntegrityError as err:
        raise AlreadyExists(
            f"A metadata definition {kind} with name={name} already exists in namespace={namespace}."
        ) from err


def delete_item(session: Session, row: MetadefItem) -> None:
    session.delete(row)
    session.flush()


def clear(session: Session, namespace: str, kind: str) -> None:
    """All words of one kind."""
    session.execute(sa.delete(MetadefItem).where(MetadefItem.namespace == namespace, MetadefItem.kind == kind))
