"""Choosing the node for a new volume or snapshot: the same filters as for servers, weighed by what disk is left.

What is made from a volume's bytes is made where they are, unless all nodes see the folder.
"""

from __future__ import annotations

import random
from dataclasses import replace

from sqlalchemy.orm import Session

from common.db import nodes
from common.db.nodes import Amounts
from common.errors import NoValidNode
from common.placement import policy, weighers
from common.placement.request import PlacementRequest
from common.placement.select import choose, summary
from common.placement.view import NodeView
from common.saga.model import StepContext

_rng = random.Random()
_WEIGHERS = ((weighers.free_disk, 1.0),)


def claim(
    session: Session, context: StepContext, *, consumer_id: str, purpose: str, size_gib: int, project_id: str,
    zone: str | None = None, only_on: str | None = None, same_nodes: frozenset[str] | None = None,
    other_nodes: frozenset[str] = frozenset(),
) -> NodeView:  # fmt: skip
    """The chosen node, with size_gib of its disk claimed for the consumer. only_on: a node by name.

    Raises NoValidNode, with the reasoning, when no node passes or has the room.
    """
    request = PlacementRequest(
        instance_id=consumer_id,
        amounts=Amounts(vcpus=0, memory_mib=0, disk_gib=size_gib),
        availability_zone=zone,
        requested_node=only_on,
        excluded=frozenset(context.results.get("tried", [])),
        same_nodes=same_nodes,
        other_nodes=other_nodes,
    )
    views = context.placement.current(session, context.now)
    rules = replace(policy.from_config(context.config.scheduler), weighers=_WEIGHERS)
    decision = choose(request, views, context.now, _rng, rules)
    for node in decision.candidates:
        if nodes.claim(
            session, consumer_id=consumer_id, node_id=node.id, amounts=request.amounts, project_id=project_id,
            user_id=context.operation.user_id, now=context.now, purpose=purpose,
        ):  # fmt: skip
            context.reasoning.update(decision.reasoning(node.name))
            return node
    reasoning = decision.reasoning(None)
    raise NoValidNode(
        f"No node for the volume was found: {summary(decision)}.", detail=reasoning["nearest_fix"], reasoning=reasoning
    )
