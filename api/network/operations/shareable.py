"""What requests about objects that projects share have in common: who sees one, who may change it, its revision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import InstrumentedAttribute, Session

from api.network.operations.common import check_owner
from api.network.problems import check_revision
from api.request import ApiRequest
from common.db import sharing
from common.db.filters import Filters
from common.db.paging import Page
from common.db.rbac_policies import ADDRESS_GROUP
from common.db.sharing import Action, Kind

Columns = dict[str, InstrumentedAttribute[Any]]


@dataclass(frozen=True)
class Shown:
    """shared: with the caller's project."""

    row: Any
    shared: bool


def list_(request: ApiRequest, kind: Kind, columns: Columns, filters: Filters, page: Page) -> list[Shown]:
    with request.services.db.read() as session:
        return shown(session, request, sharing.list_(session, kind, columns, request.context, filters, page))


def show(request: ApiRequest, kind: Kind, object_id: str) -> Shown:
    with request.services.db.read() as session:
        return shown(session, request, [sharing.get_visible(session, kind, object_id, request.context)])[0]


def shown(session: Session, request: ApiRequest, rows: Sequence[Any]) -> list[Shown]:
    shared = sharing.shared_among(session, [row.id for row in rows], request.context)
    return [Shown(row, row.id in shared) for row in rows]


def held(session: Session, request: ApiRequest, kind: Kind, object_id: str, verb: str) -> Any:
    """The row, locked, if the caller may change it. Raises NotFound, Forbidden, Conflict (If-Match)."""
    row = sharing.get_visible(session, kind, object_id, request.context, lock=True)
    if kind is ADDRESS_GROUP and not request.context.owns(row.project_id):
        raise kind.not_found(object_id)  # Neutron's answer for this kind alone
    check_owner(request.context, row.project_id, f"{verb}_{kind.object_type}")
    check_revision(request.headers, getattr(row, "revision_number", 0))
    return row


def change(session: Session, request: ApiRequest, row: Any, changes: Mapping[str, Any]) -> None:
    """Write changes by column name; the row's revision is a new one."""
    for name, value in changes.items():
        setattr(row, name, value)
    if hasattr(row, "revision_number"):
        row.revision_number += 1
        row.updated_at = request.services.clock.now()
    session.flush()


def share(session: Session, kind: Kind, row: Any, body: Mapping[str, Any]) -> None:
    """Do what the attribute `shared` of a body says, if it is there."""
    if "shared" in body:
        sharing.set_for_all(session, kind.object_type, row, Action.SHARED, on=body["shared"])
