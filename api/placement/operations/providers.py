"""What placement knows of nodes: read in one transaction each; administrators may change the terms of an offer."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy.orm import Session

from api.request import Services
from common.db import providers
from common.db.providers import Claim, Provider, ProviderQuery, ResourceClass, Terms, Usage
from common.errors import Conflict, InvalidRequest, NotFound


def find(services: Services, query: ProviderQuery) -> list[Provider]:
    with services.db.read() as session:
        return providers.find(session, query)


def show(services: Services, provider_id: str) -> Provider:
    """Raises NotFound."""
    with services.db.read() as session:
        return _one(session, provider_id)


def _one(session: Session, provider_id: str) -> Provider:
    found = providers.find(session, ProviderQuery(id=provider_id))
    if not found:
        raise NotFound(f"No resource provider with uuid {provider_id[:64]} found")
    return found[0]


def offer(
    services: Services, provider_id: str, generation: int, stocks: Mapping[ResourceClass, Mapping[str, float]]
) -> Provider:
    """Set ratio and reserve of some resources. stocks: the fields of the API's inventories, by class.

    Raises NotFound, InvalidRequest for what is not an administrator's to choose, Conflict when the node has changed since
    `generation`.
    """

    def work(session: Session) -> Provider:
        provider = _one(session, provider_id)
        terms = {resource: _terms(provider, resource, fields) for resource, fields in stocks.items()}
        node_id = provider.root_id or provider.id
        if generation != provider.generation or not providers.set_terms(session, node_id, generation, terms):
            raise Conflict(
                f"resource provider generation conflict: {provider_id} is at {provider.generation}, not {generation}; "
                "read it again and repeat",
                placement_code="placement.concurrent_update",
            )
        session.expire_all()
        return _one(session, provider_id)

    return services.db.run(work)


def _terms(provider: Provider, resource: ResourceClass, fields: Mapping[str, float]) -> Terms:
    stock = provider.stocks.get(resource)
    if stock is None:
        raise NotFound(f"No inventory of class {resource} found for {provider.id}")
    fixed = {"total": stock.total, "min_unit": 1, "step_size": 1, "max_unit": stock.total}
    for name, value in fixed.items():
        if fields.get(name, value) != value:
            raise InvalidRequest(
                f"The {name} of {resource} is {value}: it comes from the node {provider.name}, which reports what it has. "
                "Only allocation_ratio and reserved can be set."
            )
    if fields.get("allocation_ratio", stock.ratio) != stock.ratio and not providers.has_ratio(resource):
        raise InvalidRequest(f"The allocation_ratio of {resource} is 1: each is one server's alone.")
    reserved = int(fields.get("reserved", stock.reserved))
    if reserved and not providers.has_reserve(resource):
        raise InvalidRequest(f"Nothing of {resource} can be reserved; lower its allocation_ratio instead.")
    if reserved > stock.total:
        raise InvalidRequest(f"reserved ({reserved}) is more than the total of {resource} ({stock.total}).")
    return Terms(ratio=float(fields.get("allocation_ratio", stock.ratio)), reserved=reserved)


def claims_on(services: Services, provider_id: str) -> tuple[Provider, list[Claim]]:
    """Raises NotFound."""
    with services.db.read() as session:
        found = _one(session, provider_id)
        claims = providers.claims(session, node_id=found.root_id or found.id)
        return found, [claim for claim in claims if claim.provider_id == found.id]


def held_traits(services: Services) -> frozenset[str]:
    """Every trait that some provider has."""
    return frozenset().union(*(each.traits for each in find(services, ProviderQuery())))


def claims_of(services: Services, consumer_id: str) -> list[Claim]:
    with services.db.read() as session:
        return providers.claims(session, consumer_id=consumer_id)


def usage(services: Services, project_id: str, user_id: str | None) -> Usage:
    with services.db.read() as session:
        return providers.usage(session, project_id, user_id)
