"""What nodes can do beyond their amounts, read only for the few requests that ask for it: traits, NUMA cells.

Read in the claim's transaction; a request that asks for nothing costs no statement.
"""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy.orm import Session

from common.db import node_cells, providers
from common.placement.request import PlacementRequest


def consider(session: Session, request: PlacementRequest) -> PlacementRequest:
    """The request with what its filters need to know of the nodes."""
    if request.traits:
        request = replace(request, traits_of=providers.traits_by_node(session))
    if request.amounts.numa is not None:
        request = replace(request, cells_of=node_cells.read(session))
    return request
