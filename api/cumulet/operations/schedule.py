"""What placement would do now with servers that nobody has asked for: the scheduler's own filters and scores, no claim."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from api.compute.operations import server_references
from api.request import Services
from common.context import RequestContext
from common.db import nodes
from common.db.nodes import Amounts
from common.hardware import fitting
from common.placement import abilities, policy
from common.placement.request import PlacementRequest, from_copies
from common.placement.select import choose
from common.placement.view import NodeView, from_row

_rng = random.Random()


@dataclass(frozen=True)
class Question:
    """node: only there. image_id None: a flavor without root disk then counts no disk."""

    flavor_id: str
    image_id: str | None
    count: int
    zone: str | None
    node: str | None


def dry_run(services: Services, context: RequestContext, question: Question) -> list[dict[str, Any]]:
    """The reasoning for each in turn, as if those before it were there; the first without a node is the last.

    Raises InvalidRequest for an unknown flavor, image, zone or node.
    """
    now = services.clock.now()
    used = policy.from_config(services.config.scheduler)
    with services.db.read() as session:
        flavor = server_references.flavor(session, question.flavor_id, context)
        image: dict[str, Any] = {}
        if question.image_id is not None:
            source = server_references.image(session, question.image_id, context)
            server_references.check_fits(flavor, source)
            image = server_references.image_copy(source)
        server_references.check_zone(session, question.zone)
        server_references.check_node(session, question.node)
        views = [from_row(row) for row in nodes.for_placement(session, None) if row.is_compute]
        wanted = server_references.flavor_copy(flavor)
        request = from_copies(wanted, image, availability_zone=question.zone, requested_node=question.node)
        request = abilities.consider(session, request, used)
    found = []
    for _ in range(question.count):
        decision = choose(request, views, now, _rng, used)
        chosen = decision.candidates[0] if decision.candidates else None
        found.append(decision.reasoning(chosen.name if chosen else None))
        if chosen is None:
            break
        views = _with_one_more(views, chosen, request.amounts)
        request = _with_cells_taken(request, chosen.id)
    return found


def _with_one_more(views: Sequence[NodeView], chosen: NodeView, amounts: Amounts) -> list[NodeView]:
    fuller = replace(
        chosen,
        free_vcpus=chosen.free_vcpus - amounts.vcpus,
        free_memory_mib=chosen.free_memory_mib - amounts.memory_mib,
        free_disk_gib=chosen.free_disk_gib - amounts.disk_gib,
    )
    return [fuller if view.id == chosen.id else view for view in views]


def _with_cells_taken(request: PlacementRequest, node_id: str) -> PlacementRequest:
    """The request for the next one: what this one takes of the node's NUMA cells is gone."""
    wish, cells = request.amounts.numa, request.cells_of.get(node_id, ())
    place = fitting.fit(wish, cells) if wish is not None else None
    if place is None:
        return request
    return replace(request, cells_of={**request.cells_of, node_id: fitting.after(place, cells)})
