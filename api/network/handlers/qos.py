"""/qos/policies."""

from __future__ import annotations

from api.network import listing
from api.network.operations import qos as operations
from api.network.resource import parse_create, parse_update
from api.network.schemas.qos import QOS_POLICY
from api.network.views import qos as views
from api.request import ApiRequest, Reply
from common.db.network_tags import FILTERS

NAMES = (QOS_POLICY.singular, QOS_POLICY.plural)


def create(request: ApiRequest) -> Reply:
    bodies, bulk = parse_create(request, QOS_POLICY)
    return listing.made(request, NAMES, [views.policy(item) for item in operations.create(request, bodies)], bulk)


def index(request: ApiRequest) -> Reply:
    asked = listing.parse(request, {*operations.COLUMNS, *FILTERS, "shared", "is_default"})
    found = operations.list_(request, asked.filters, asked.page)
    items = [views.policy(item) for item in found]
    if "is_default" in asked.filters:
        wanted = asked.filters["is_default"][-1].lower() in ("true", "1")
        items = [item for item in items if item["is_default"] is wanted]
    return listing.reply(request, asked, QOS_POLICY.plural, items)


def show(request: ApiRequest, policy_id: str) -> Reply:
    return listing.single(request, QOS_POLICY.singular, views.policy(operations.show(request, policy_id)))


def update(request: ApiRequest, policy_id: str) -> Reply:
    changed = operations.update(request, policy_id, parse_update(request, QOS_POLICY))
    return listing.single(request, QOS_POLICY.singular, views.policy(changed))


def delete(request: ApiRequest, policy_id: str) -> Reply:
    operations.delete(request, policy_id)
    return Reply(status=204)
