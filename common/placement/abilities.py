"""What nodes can do beyond their amounts, read only for the few requests that ask for it: traits, NUMA cells,
bandwidth and packet rates for ports, what is going on.

Read in the claim's transaction; a request that asks for nothing costs no statement but the one that asks about its ports.
"""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy.orm import Session

from common.db import network_rates, node_cells, providers, services
from common.placement.policy import Policy
from common.placement.request import PlacementRequest
from common.placement.weighers import io_ops


def consider(session: Session, request: PlacementRequest, used: Policy) -> PlacementRequest:
    """The request with what its filters, and the weighers that are used, need to know of the nodes."""
    if request.traits:
        request = replace(request, traits_of=providers.traits_by_node(session))
    if request.amounts.numa is not None:
        request = replace(request, cells_of=node_cells.read(session))
    rates = network_rates.wanted(session, request.instance_id, hold=True) if request.instance_id else ()
    if rates:
        stocks = network_rates.read(session, but_for=request.instance_id)
        request = replace(request, amounts=replace(request.amounts, rates=rates), rates_of=stocks)
    if any(weigher is io_ops for weigher, _ in used.weighers):
        request = replace(request, in_flight=services.in_flight(session))
    return request
