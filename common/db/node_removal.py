"""Taking a node out of the cloud: its service, its row and what only describes it go; nothing may be on it any more.

What names it by a foreign key and is not deleted keeps it. Its broker account goes with the next look at the broker
(common/rpc/broker.py), its queues are never declared again, and an agent that still runs there is unknown from now on.
"""

from __future__ import annotations

import logging
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from common import log
from common.db import network_state, node_life
from common.db.models import (
    Allocation,
    Instance,
    Node,
    Port,
    Router,
    Service,
    Volume,
    VolumeBackup,
    VolumeExport,
    VolumeSnapshot,
)
from common.errors import Conflict

logger = logging.getLogger(__name__)
#: rows that stay when they are deleted, and then need no node any more; its name is told all the same
_SOFTLY_DELETED = (Instance, Volume, VolumeSnapshot, VolumeBackup)


def remove(session: Session, service: Service, now: datetime) -> None:
    """Delete a node's service and the node. Raises Conflict while it is up, or anything is on it."""
    node = session.scalars(
        sa.select(Node).where(Node.service_number == service.number).with_for_update()
    ).one()  # held: a claim that is made meanwhile waits, and finds no node
    if not node_life.is_down(session, node.id, now):
        raise Conflict(
            f"Node {node.name} is up: stop its agent and wait until it is down, or force it down, before its service is"
            " deleted.",
            node=node.name,
        )
    if held := _what_is_on(session, node.id):
        raise Conflict(
            f"Unable to delete compute service on node {node.name}: it has {', '.join(held)}; move or delete them first.",
            node=node.name,
        )
    for model in _SOFTLY_DELETED:
        session.execute(
            sa.update(model)
            .where(model.node_id == node.id, model.deleted.is_(True))
            .values(node_id=None)
            .execution_options(synchronize_session=False)
        )
    if node.is_gateway:
        network_state.touch_all(session)
    name = node.name
    try:
        session.delete(node)
        session.flush()
        session.delete(service)
        session.flush()
    except IntegrityError as err:
        raise Conflict(f"Something has just come to node {name}: look at it, and try again.", node=name) from err
    log.event(logger, "node.removed", node=name)


def _what_is_on(session: Session, node_id: str) -> list[str]:
    """Counted, in words; an allocation is what a server, a volume or an operation on its way has claimed."""
    questions = {
        "servers": _living(Instance, node_id),
        "volumes": _living(Volume, node_id),
        "snapshots": _living(VolumeSnapshot, node_id),
        "backups": _living(VolumeBackup, node_id),
        "served volumes": _count(VolumeExport.node_id == node_id),
        "bound ports": _count(Port.binding_node_id == node_id),
        "routers": _count(Router.node_id == node_id),
        "claims": _count(Allocation.node_id == node_id),
    }
    counted = {noun: session.execute(question).scalar_one() for noun, question in questions.items()}
    return [f"{count} {noun}" for noun, count in counted.items() if count]


def _living(model: type[Instance | Volume | VolumeSnapshot | VolumeBackup], node_id: str) -> sa.Select[int]:
    return _count(sa.and_(model.node_id == node_id, model.deleted.is_(False)))


def _count(condition: sa.ColumnElement[bool]) -> sa.Select[int]:
    return sa.select(sa.func.count()).where(condition)
