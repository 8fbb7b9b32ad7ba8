"""Resource providers, inventories and claims as the API shows them at a microversion."""

from __future__ import annotations

from typing import Any

from api.microversion import Microversion
from api.placement.operations.candidates import Candidate
from common.db.providers import Amounts, Claim, Provider, ResourceClass, Stock

Body = dict[str, Any]
_LINKS = (("", None), ("inventories", None), ("usages", None), ("aggregates", Microversion(1, 1)), ("traits", Microversion(1, 6)),
          ("allocations", Microversion(1, 11)))  # fmt: skip
NESTED = Microversion(1, 14)
CONSUMER_GENERATIONS = Microversion(1, 28)
CONSUMER_TYPE = "INSTANCE"


def provider(found: Provider, version: Microversion, path: str) -> Body:
    """path: of the API without host, as the service's own links are."""
    here = f"{path}/resource_providers/{found.id}"
    links = [
        {"rel": rel or "self", "href": f"{here}/{rel}" if rel else here}
        for rel, since in _LINKS
        if since is None or version >= since
    ]
    body: Body = {"uuid": found.id, "name": found.name, "generation": found.generation, "links": links}
    if version >= NESTED:
        body |= _place(found)
    return body


def _place(found: Provider) -> Body:
    return {"root_provider_uuid": found.root_id or found.id, "parent_provider_uuid": found.root_id or None}


def aggregates(found: Provider, version: Microversion) -> Body:
    body: Body = {"aggregates": sorted(found.aggregates)}
    return body | ({"resource_provider_generation": found.generation} if version >= Microversion(1, 19) else {})


def stock(found: Stock) -> Body:
    return {
        "total": found.total, "reserved": found.reserved, "min_unit": 1, "max_unit": found.total, "step_size": 1,
        "allocation_ratio": found.ratio,
    }  # fmt: skip


def inventories(found: Provider) -> Body:
    return {
        "resource_provider_generation": found.generation,
        "inventories": {resource: stock(each) for resource, each in found.stocks.items()},
    }


def inventory(found: Provider, resource: ResourceClass) -> Body:
    return {"resource_provider_generation": found.generation, **stock(found.stocks[resource])}


def usages(found: Provider) -> Body:
    return {
        "resource_provider_generation": found.generation,
        "usages": {resource: each.used for resource, each in found.stocks.items()},
    }


def claims_on(found: Provider, claims: list[Claim], version: Microversion) -> Body:
    shown = {claim.consumer_id: {"resources": dict(claim.amounts), **_generation(claim, version)} for claim in claims}
    return {"resource_provider_generation": found.generation, "allocations": shown}


def claims_of(claims: list[Claim], version: Microversion) -> Body:
    """One consumer's, by provider; a consumer with none has no project either."""
    body: Body = {
        "allocations": {
            claim.provider_id: {"generation": claim.provider_generation, "resources": dict(claim.amounts)}
            for claim in claims
        }
    }
    if claims and version >= Microversion(1, 12):
        body |= {"project_id": claims[0].project_id, "user_id": claims[0].user_id, **_generation(claims[0], version)}
        if version >= Microversion(1, 38):
            body["consumer_type"] = CONSUMER_TYPE
    return body


def resource_class(path: str, name: str) -> Body:
    return {"name": name, "links": [{"rel": "self", "href": f"{path}/resource_classes/{name}"}]}


def _generation(claim: Claim, version: Microversion) -> Body:
    return {"consumer_generation": claim.epoch} if version >= CONSUMER_GENERATIONS else {}


def candidates(found: list[Candidate], version: Microversion) -> Body:
    """Since 1.29 providers of the node that nothing is asked of are summed up too."""
    summed = [
        _summary(each, candidate.given.get(each.id, {}), version)
        for candidate in found
        for each in candidate.tree
        if each.id in candidate.given or version >= Microversion(1, 29)
    ]
    return {
        "allocation_requests": [_request(each, version) for each in found],
        "provider_summaries": dict(summed),
    }


def _request(found: Candidate, version: Microversion) -> Body:
    given = {provider_id: dict(amounts) for provider_id, amounts in found.given.items()}
    if version < Microversion(1, 12):
        return {
            "allocations": [
                {"resource_provider": {"uuid": provider_id}, "resources": amounts}
                for provider_id, amounts in given.items()
            ]
        }
    body: Body = {"allocations": {provider_id: {"resources": amounts} for provider_id, amounts in given.items()}}
    if version >= Microversion(1, 34):
        body["mappings"] = {suffix: list(ids) for suffix, ids in found.mappings.items()}
    return body


def _summary(found: Provider, asked: Amounts, version: Microversion) -> tuple[str, Body]:
    everything = version >= Microversion(1, 27)
    body: Body = {
        "resources": {
            resource: {"capacity": each.capacity, "used": each.used}
            for resource, each in found.stocks.items()
            if everything or resource in asked
        }
    }
    if version >= Microversion(1, 17):
        body["traits"] = sorted(found.traits)
    if version >= Microversion(1, 29):
        body |= _place(found)
    return found.id, body
