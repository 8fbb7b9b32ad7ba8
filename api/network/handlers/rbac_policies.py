"""/rbac-policies."""

from __future__ import annotations

from api.network import listing
from api.network.operations import rbac_policies as operations
from api.network.resource import parse_create, parse_update
from api.network.schemas.sharing import RBAC_POLICY
from api.network.views.sharing import rbac_policy
from api.request import ApiRequest, Reply
from common.db.rbac_policies import COLUMNS

NAMES = (RBAC_POLICY.singular, RBAC_POLICY.plural)


def create(request: ApiRequest) -> Reply:
    bodies, bulk = parse_create(request, RBAC_POLICY)
    made = operations.create(request, bodies)
    return listing.made(request, NAMES, [rbac_policy(row) for row in made], bulk)


def index(request: ApiRequest) -> Reply:
    asked = listing.parse(request, COLUMNS)
    found = operations.list_(request, asked.filters, asked.page)
    return listing.reply(request, asked, RBAC_POLICY.plural, [rbac_policy(row) for row in found])


def show(request: ApiRequest, rbac_policy_id: str) -> Reply:
    return listing.single(request, RBAC_POLICY.singular, rbac_policy(operations.show(request, rbac_policy_id)))


def update(request: ApiRequest, rbac_policy_id: str) -> Reply:
    changed = operations.update(request, rbac_policy_id, parse_update(request, RBAC_POLICY))
    return listing.single(request, RBAC_POLICY.singular, rbac_policy(changed))


def delete(request: ApiRequest, rbac_policy_id: str) -> Reply:
    operations.delete(request, rbac_policy_id)
    return Reply(status=204)
