"""Logs of what security groups let pass and stop. Callers own the transaction."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.db import network_state
from common.db.filters import Filters, apply
from common.db.models import NetworkLog, Port, PortSecurityGroup
from common.db.paging import Page, fetch
from common.db.upsert import insert
from common.errors import NotFound

COLUMNS = {
    "id": NetworkLog.id,
    "project_id": NetworkLog.project_id,
    "name": NetworkLog.name,
    "description": NetworkLog.description,
    "resource_type": NetworkLog.resource_type,
    "resource_id": NetworkLog.resource_id,
    "target_id": NetworkLog.target_id,
    "event": NetworkLog.event,
    "enabled": NetworkLog.enabled,
    "revision_number": NetworkLog.revision_number,
    "created_at": NetworkLog.created_at,
    "updated_at": NetworkLog.updated_at,
}


def get(session: Session, log_id: str, *, lock: bool = False) -> NetworkLog:
    """Raises NotFound."""
    query = sa.select(NetworkLog).where(NetworkLog.id == log_id).execution_options(populate_existing=True)
    row = session.scalar(query.with_for_update(key_share=True) if lock else query)
    if row is None:
        raise NotFound(f"Log resource {log_id} could not be found.", neutron_type="LogResourceNotFound")
    return row


def list_(session: Session, filters: Filters, page: Page) -> list[NetworkLog]:
    query = apply(sa.select(NetworkLog), COLUMNS, filters)
    return fetch(session, query, page, columns=COLUMNS, default=(("id", False),), key=NetworkLog.id)


def add(session: Session, row: NetworkLog) -> None:
    insert(session, row)
    touch(session, row)


def delete(session: Session, row: NetworkLog) -> None:
    touch(session, row)
    session.delete(row)
    session.flush()


def touch(session: Session, row: NetworkLog) -> None:
    """The log came, went or changed: nodes with a port that it hears of are concerned."""
    nodes = sa.select(Port.binding_node_id).where(Port.binding_node_id.is_not(None))
    if row.target_id is not None:
        nodes = nodes.where(Port.id == row.target_id)
    if row.resource_id is not None:
        members = sa.select(PortSecurityGroup.port_id).where(PortSecurityGroup.security_group_id == row.resource_id)
        nodes = nodes.where(Port.id.in_(members))
    if row.target_id is None and row.resource_id is None:
        nodes = nodes.where(Port.project_id == row.project_id)
    network_state.touch(session, session.scalars(nodes.distinct()).all())
