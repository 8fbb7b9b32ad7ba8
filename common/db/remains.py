"""What may be left of an instance on a node that does not answer: held by an operation until the node has said "absent".

The operation takes over the instance's claim on that node and, when the instance is being deleted, its ports with their
addresses and its volumes, so that none is given to anybody else while a guest there might still use it. The instance
itself is free.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from common.context import RequestContext
from common.db import nodes, operations, ports, quotas, volume_freeing
from common.db.models import Instance, Operation
from common.db.node_life import REMAINS
from common.db.resizes import OldPlace

SAGA = "server_remains"


def hand_over(
    session: Session, instance: Instance, context: RequestContext, now: datetime, *, with_ports: bool,
    place: OldPlace | None = None,
) -> str:  # fmt: skip
    """Begin the operation that holds and clears up what may be left of the instance on its node; its id.

    "" when that was done before: the instance then has no claim there any more. place: not where it is, but where it
    was before it was resized.
    """
    if place is None and instance.node_id is not None and instance.node_name is not None:
        place = OldPlace(instance.node_id, instance.node_name, instance.epoch)
    if place is None or not _one_claim(session, instance.id, place.node_id):
        return ""
    if with_ports:  # the ports touch nodes, and whoever deletes the instance gives quota back after this
        quotas.lock(session, [instance.project_id])
    params = {
        "instance_id": instance.id, "node": place.node_name, "epoch": place.epoch, "generation": instance.generation,
    }  # fmt: skip
    operation = operations.create(session, operations.on_node(SAGA, "clear_up", place.node_id, params), context, now)
    nodes.transfer_claim(session, node_id=place.node_id, consumer_id=instance.id, to=operation.id, as_purpose=REMAINS)
    if with_ports:
        ports.hold(session, instance.id, operation.id, now)
        volume_freeing.hold(session, instance, operation, now)
    return operation.id


def release(session: Session, operation_id: str, context: RequestContext, now: datetime) -> None:
    """Give claim, ports, addresses and volumes back. Harmless when repeated."""
    ports.release(session, operation_id, now)
    nodes.release_all(session, operation_id)
    volume_freeing.release(session, operation_id, context, now)


def waiting_for(session: Session, node_id: str) -> list[Operation]:
    """The open operations that hold something on this node, oldest first."""
    return [each for each in operations.open_for(session, node_id) if each.kind == SAGA]


def _one_claim(session: Session, instance_id: str, node_id: str) -> bool:
    """True when the instance has a claim on the node; of the two that one resized there has, its present one is kept."""
    purposes = [claim.purpose for claim in nodes.allocations(session, [instance_id]) if claim.node_id == node_id]
    for other in purposes if len(purposes) > 1 else ():
        if other != nodes.PLACED:
            nodes.release(session, consumer_id=instance_id, node_id=node_id, purpose=other)
    return bool(purposes)
