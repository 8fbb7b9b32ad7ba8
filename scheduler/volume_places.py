"""Choosing the node for a new volume or snapshot: the same filters as for servers, weighed by what disk is left.

What is made from a volume's bytes is made where they are, unless all nodes see the folder.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace

from sqlalchemy.orm import Session

from common.db import nodes, volume_attachments, volume_services, volume_snapshots, volumes
from common.db.models import Instance, Volume, VolumeAttachment
from common.db.nodes import Amounts
from common.errors import NoValidNode
from common.placement import policy, volume_filters, weighers
from common.placement.request import PlacementRequest
from common.placement.select import choose, summary
from common.saga.model import StepContext
from common.volume_capabilities import NBD, RBD, node_gib

_rng = random.Random()
NONE_CLOSED: Mapping[str, str] = {}
_WEIGHERS = ((weighers.free_disk, 1.0),)


@dataclass(frozen=True)
class ChosenPlace:
    id: str
    name: str
    backend: str


def claim(
    session: Session, context: StepContext, *, consumer_id: str, purpose: str, size_gib: int, project_id: str,
    zone: str | None = None, only_on: str | None = None, same_nodes: frozenset[str] | None = None,
    other_nodes: frozenset[str] = frozenset(), specs: Mapping[str, str] | None = None,
    closed: Mapping[str, str] = NONE_CLOSED,
) -> ChosenPlace:  # fmt: skip
    """The chosen node and back end, with size_gib of its disk claimed for the consumer. only_on: a node by name. specs: extra
    specs of a new volume's type, which also goes to no back end that is closed to new volumes, and takes the node's disk
    only if the back end does. closed: others that are as good as closed.

    Raises NoValidNode, with the reasoning, when no node passes or has the room.
    """
    request = PlacementRequest(
        instance_id=consumer_id,
        amounts=Amounts(vcpus=0, memory_mib=0, disk_gib=size_gib if specs is None else 0),
        volume_gib=0 if specs is None else size_gib,
        availability_zone=zone,
        requested_node=only_on,
        excluded=frozenset(context.results.get("tried", [])),
        same_nodes=same_nodes,
        other_nodes=other_nodes,
        volume_specs=specs or {},
        closed_to_volumes=closed if specs is None else {**volume_services.closed_hosts(session), **closed},
    )
    views = context.placement.current(session, context.now)
    rules = policy.from_config(context.config.scheduler)
    rules = replace(rules, filters=(*rules.filters, *volume_filters.FILTERS), weighers=_WEIGHERS)
    decision = choose(request, views, context.now, _rng, rules)
    for node in decision.candidates:
        backend = volume_filters.backend_for(request, node) or node.volume_backends[0]
        amounts = request.amounts if specs is None else Amounts(0, 0, node_gib(backend, size_gib))
        if nodes.claim(
            session, consumer_id=consumer_id, node_id=node.id, amounts=amounts, project_id=project_id,
            user_id=context.operation.user_id, now=context.now, purpose=purpose,
        ):  # fmt: skip
            context.reasoning.update(decision.reasoning(node.name))
            return ChosenPlace(node.id, node.name, backend)
    reasoning = decision.reasoning(None)
    raise NoValidNode(
        f"No node for the volume was found: {summary(decision)}.", detail=reasoning["nearest_fix"], reasoning=reasoning
    )


def beside_its_volumes(session: Session, instance: Instance, request: PlacementRequest) -> PlacementRequest:
    """The request, bound to the node that has the volumes of a server, unless all nodes see the folder.

    What is served to a node stays served to that one, until the server has left it.
    """
    rows = [row for row in volume_attachments.of_instance(session, instance.id) if row.node_name is not None]
    homes = {_home(session, row) for row in rows}
    bound = frozenset(home for home in homes if home is not None)
    if not bound:
        return request
    allowed = bound if len(bound) == 1 else frozenset()
    return replace(request, same_nodes=allowed if request.same_nodes is None else allowed & request.same_nodes)


def reaching_its_volumes(session: Session, instance: Instance, request: PlacementRequest) -> PlacementRequest:
    """The request, for nodes that reach the server's volumes, which stay where they are."""
    rows = [row for row in volume_attachments.of_instance(session, instance.id) if row.node_name is not None]
    for backend in sorted({volumes.get(session, row.volume_id).backend for row in rows} & {NBD, RBD}):
        ids = nodes.reaching(session, backend)
        request = replace(request, same_nodes=ids if request.same_nodes is None else ids & request.same_nodes)
    return request


def may_leave(session: Session, instance: Instance) -> bool:
    """True when every volume of the server can be reached from other nodes than its own."""
    rows = [row for row in volume_attachments.of_instance(session, instance.id) if row.node_name is not None]
    return all(_is_served(session, row) or _home(session, row) is None for row in rows)


def _is_served(session: Session, row: VolumeAttachment) -> bool:
    return volumes.get(session, row.volume_id).backend == NBD


def _home(session: Session, row: VolumeAttachment) -> str | None:
    """None: any node that reaches it."""
    volume = volumes.get(session, row.volume_id)
    if volume.backend == RBD:
        return None
    if volume.backend == NBD:
        node = nodes.by_name(session, row.node_name or "")
        return node.id if node else None
    return None if volume.node_id is None or is_shared(session, volume.node_id) else volume.node_id


def bound_to(session: Session, volume: Volume, node_id: str) -> frozenset[str] | None:
    """Ids of the nodes that see the bytes of a volume, or a snapshot of it, that are on this node; None: all do."""
    if volume.backend == RBD:
        return nodes.reaching(session, RBD)
    return None if is_shared(session, node_id) else frozenset({node_id})


def seeing_source(session: Session, volume: Volume) -> frozenset[str] | None:
    """Ids of the nodes that see the bytes that a new volume is made from, where it is another's; None: all."""
    if volume.snapshot_id:
        snapshot = volume_snapshots.get(session, volume.snapshot_id, deleted=True)
        source, node_id = volumes.get(session, snapshot.volume_id, deleted=True), snapshot.node_id
    elif volume.source_volume_id:
        source = volumes.get(session, volume.source_volume_id, deleted=True)
        node_id = source.node_id
    else:
        return None
    return None if node_id is None else bound_to(session, source, node_id)


def is_shared(session: Session, node_id: str) -> bool:
    """True when the node's folder of volumes is one that all nodes see."""
    node = nodes.get(session, node_id)
    return bool(node and node.inventory.get("shared_volumes"))
