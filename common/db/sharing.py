"""What other projects may see and use: conditions over RBAC policies, and the policies that come with `shared`.

An object is seen by its project, by administrators, and by the projects that a policy names; "*" names all.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Session

from common.context import RequestContext
from common.db import network_tags, quotas
from common.db.filters import Filters
from common.db.models import RbacPolicy
from common.db.paging import Page, fetch
from common.db.upsert import insert_ignore
from common.errors import InvalidRequest, NotFound
from common.ids import new_id

EVERYBODY = "*"


class Action(StrEnum):
    SHARED = "access_as_shared"
    EXTERNAL = "access_as_external"


@dataclass(frozen=True)
class Kind:
    """A kind of object that can be shared: its name in policies, its model, and how one is reported missing."""

    object_type: str
    model: Any
    words: str  # "Address scope {} could not be found"
    neutron_type: str

    def not_found(self, object_id: str) -> NotFound:
        return NotFound(self.words.format(object_id), neutron_type=self.neutron_type)


def granted(
    id_column: InstrumentedAttribute[str], project_id: str | sa.BindParameter[str] | None, *actions: Action
) -> sa.ColumnElement[bool]:
    """A policy lets this project do one of the actions with the object."""
    return id_column.in_(
        sa.select(RbacPolicy.object_id).where(
            sa.or_(*(RbacPolicy.action == action.value for action in actions)),
            sa.or_(
                RbacPolicy.target_project == EVERYBODY,
                RbacPolicy.target_project == (EVERYBODY if project_id is None else project_id),
            ),
        )
    )


def visible(kind: Kind, context: RequestContext) -> sa.ColumnElement[bool]:
    if context.is_admin:
        return sa.true()
    mine: sa.ColumnElement[bool] = kind.model.project_id == context.project_id
    return mine | granted(kind.model.id, context.project_id, Action.SHARED)


def get_visible(session: Session, kind: Kind, object_id: str, context: RequestContext, *, lock: bool = False) -> Any:
    """The row. Raises NotFound, in the same words for a stranger's object and for none."""
    query = sa.select(kind.model).where(kind.model.id == object_id, visible(kind, context))
    query = query.execution_options(populate_existing=True)
    row = session.scalar(query.with_for_update(key_share=True) if lock else query)
    if row is None:
        raise kind.not_found(object_id)
    return row


def list_(
    session: Session,
    kind: Kind,
    columns: dict[str, InstrumentedAttribute[Any]],
    context: RequestContext,
    filters: Filters,
    page: Page,
) -> list[Any]:
    query = network_tags.narrow(sa.select(kind.model).where(visible(kind, context)), columns, filters)
    query = narrow_shared(query, kind.model.id, context, filters)
    return fetch(session, query, page, columns=columns, default=(("id", False),), key=kind.model.id)


def narrow_shared(
    query: sa.Select[Any], id_column: InstrumentedAttribute[str], context: RequestContext, filters: Filters
) -> sa.Select[Any]:
    """The filter `shared`: whether the object is shared with the caller's project."""
    if "shared" not in filters:
        return query
    word = filters["shared"][-1].lower()
    if word not in ("true", "1", "false", "0"):
        raise InvalidRequest(f"Invalid input for shared. Reason: '{word[:40]}' cannot be converted to boolean.")
    shared = granted(id_column, context.project_id, Action.SHARED)
    return query.where(shared if word in ("true", "1") else sa.not_(shared))


def shared_among(session: Session, object_ids: Collection[str], context: RequestContext) -> set[str]:
    """Those of the objects that are shared with the caller's project; one statement."""
    if not object_ids:
        return set()
    return set(
        session.scalars(
            sa.select(RbacPolicy.object_id).where(
                RbacPolicy.object_id.in_(object_ids),
                RbacPolicy.action == Action.SHARED.value,
                RbacPolicy.target_project.in_([EVERYBODY, context.project_id or EVERYBODY]),
            )
        )
    )


def set_for_all(session: Session, object_type: str, row: Any, action: Action, *, on: bool) -> None:
    """Make or remove the policy for everybody, which `shared` and `router:external` stand for."""
    if on:
        values = {
            "id": new_id(),
            "project_id": row.project_id,
            "object_type": object_type,
            "object_id": row.id,
            "action": action.value,
            "target_project": EVERYBODY,
        }
        if insert_ignore(session, RbacPolicy, [values]):
            quotas.count(session, row.project_id, {"rbac_policy": 1})
        return
    theirs = [RbacPolicy.object_id == row.id, RbacPolicy.action == action.value]
    if action != Action.EXTERNAL:  # a network that leads nowhere leads nobody there
        theirs.append(RbacPolicy.target_project == EVERYBODY)
    _delete(session, *theirs)


def forget(session: Session, object_id: str) -> None:
    """The object is gone: so are its policies and tags."""
    network_tags.forget(session, [object_id])
    _delete(session, RbacPolicy.object_id == object_id)


def _delete(session: Session, *conditions: sa.ColumnElement[bool]) -> None:
    owners = session.scalars(
        sa.delete(RbacPolicy)
        .where(*conditions)
        .returning(RbacPolicy.project_id)
        .execution_options(synchronize_session=False)
    ).all()
    for owner in sorted(set(owners)):
        quotas.release(session, owner, {"rbac_policy": owners.count(owner)})


def is_named(session: Session, column: InstrumentedAttribute[Any], object_id: str) -> bool:
    """Some row has the object's id in this column."""
    return bool(session.scalar(sa.select(sa.exists().where(column == object_id))))
