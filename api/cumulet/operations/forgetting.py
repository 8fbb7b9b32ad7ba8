"""Giving up a node that is down, on an administrator's word that the machine is off."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from api.cumulet.operations import nodes
from api.request import Services
from common.db import instances, node_life, remains, servers_on_node
from common.errors import CloudError, Conflict
from common.states import ON_NODE, VmState

_RAN = tuple(ON_NODE - {VmState.SOFT_DELETED})


class NodeGivenUp(CloudError):
    """Why a server of such a node is in ERROR."""

    code = "node_given_up"


@dataclass(frozen=True)
class Forgotten:
    """servers_in_error: those that ran there. released: operations that now give back what they held of deleted ones."""

    node: str
    servers_in_error: int
    released: int


def forget(services: Services, name_or_id: str) -> Forgotten:
    """Raises NotFound, Conflict for a node that is not down. May be repeated."""
    node, _ = nodes.show(services, name_or_id)
    now = services.clock.now()

    def work(session: Session) -> tuple[Forgotten, list[str]]:
        if not node_life.give_up(session, node.id, now):
            raise Conflict(
                f"Node {node.name} is not down: it was heard of lately. Switch it off and wait, or force it down first.",
                node=node.name,
            )
        failed = 0
        for instance in servers_on_node.living(session, node.id):
            error = NodeGivenUp("The node of this server is lost.", detail=f"node {node.name} was declared powered off")
            if instances.transition(
                session, instance.id, VmState.ERROR, expect=_RAN, operation_id=None, now=now, reason=error.code
            ):
                instances.set_fault(session, instance.id, error, now)
                failed += 1
        node_life.end_waiting(session, node.name, now)
        held = [operation.id for operation in remains.waiting_for(session, node.id)]
        node_life.wake_waiting(session, [node.id], [node.name], now)
        return Forgotten(node.name, failed, len(held)), held

    forgotten, held = services.db.run(work)
    for operation_id in held:
        services.bus.hint(operation_id)
    return forgotten
