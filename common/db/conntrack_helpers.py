"""Conntrack helpers of routers. Callers hold the router and own the transaction; a constraint keeps one to a port."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from common.db import floating_links
from common.db.filters import Filters, apply
from common.db.models import ConntrackHelper, Router
from common.db.paging import Page, fetch
from common.errors import InvalidRequest, NotFound

COLUMNS = {
    "id": ConntrackHelper.id,
    "protocol": ConntrackHelper.protocol,
    "port": ConntrackHelper.port,
    "helper": ConntrackHelper.helper,
}


def get(session: Session, router: Router, helper_id: str) -> ConntrackHelper:
    """Raises NotFound."""
    found = session.scalar(
        sa.select(ConntrackHelper).where(ConntrackHelper.id == helper_id, ConntrackHelper.router_id == router.id)
    )
    if found is None:
        raise NotFound(f"Conntrack Helper {helper_id} could not be found.", neutron_type="ConntrackHelperNotFound")
    return found


def list_(session: Session, router: Router, filters: Filters, page: Page) -> list[ConntrackHelper]:
    query = apply(sa.select(ConntrackHelper).where(ConntrackHelper.router_id == router.id), COLUMNS, filters)
    return fetch(session, query, page, columns=COLUMNS, default=(("id", False),), key=ConntrackHelper.id)


def of_routers(session: Session, router_ids: Sequence[str]) -> dict[str, list[ConntrackHelper]]:
    """By router; one statement."""
    found: dict[str, list[ConntrackHelper]] = {}
    query = sa.select(ConntrackHelper).where(ConntrackHelper.router_id.in_(router_ids))
    for each in session.scalars(query.order_by(ConntrackHelper.protocol, ConntrackHelper.port)):
        found.setdefault(each.router_id, []).append(each)
    return found


def create(session: Session, router: Router, row: ConntrackHelper) -> None:
    session.add(row)
    _flush(session, router, row)


def update(session: Session, router: Router, row: ConntrackHelper, changes: Mapping[str, Any]) -> None:
    for key, value in changes.items():
        setattr(row, key, value)
    _flush(session, router, row)


def _flush(session: Session, router: Router, row: ConntrackHelper) -> None:
    facts = {"protocol": row.protocol, "port": row.port, "helper": row.helper}
    try:
        session.flush()
    except IntegrityError as err:
        raise InvalidRequest(
            f"Bad conntrack_helper request: A duplicate conntrack helper entry with same attributes already exists, "
            f"conflicting values are {facts}.",
            neutron_type="BadRequest",
        ) from err
    floating_links.touch_routers(session, {router.id})


def delete(session: Session, router: Router, row: ConntrackHelper) -> None:
    session.delete(row)
    session.flush()
    floating_links.touch_routers(session, {router.id})
